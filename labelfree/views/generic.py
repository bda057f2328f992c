"""Views that know no field: what SimCLR does to photographs. The other side of a comparison with a domain's own (`pretrain.views`)."""

from __future__ import annotations

from labelfree.views.filters import Blur
from labelfree.views.geometry import Dihedral
from labelfree.views.photometric import ChannelGain, Contrast, SharedGain
from labelfree.views.pipeline import Augmentation
from labelfree.views.removal import Grayscale


def generic() -> Augmentation:
    """SimCLR's augmentations for ImageNet (Chen et al. 2020, arXiv:2002.05709, appendix A), carried over to any number of channels.

    Brightness within a factor exp(±0.6) (there 0.2 to 1.8), contrast from 0.2 to 1.8; a gain for each channel of 0.6 to 1.4 stands in for
    saturation and hue, which only RGB has. Each is drawn on its own with p = 0.8. Unlike toolkits that jitter in [0, 1] nothing is clamped.
    """
    return Augmentation(
        geometry=[Dihedral(axes=(-1,), transpose=False)],
        physics=[SharedGain(0.6, p=0.8), Contrast(0.8, p=0.8), ChannelGain(0.4, p=0.8), Blur((0.1, 2.0), p=0.5)],
        late=[Grayscale(p=0.2)],
        global_scale=(0.08, 1.0),
        local_scale=(0.05, 0.25),
    )
