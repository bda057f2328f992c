"""The medical domain: films, slices and volumes as hospitals store them."""




