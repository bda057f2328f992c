"""The medical domain: `labelfree.domain.Domain` for films, slices and volumes."""
