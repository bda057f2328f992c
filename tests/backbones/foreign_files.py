"""Random tensors under the names that MONAI, MedicalNet and nnssl write, from MONAI's own networks where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from labelfree.backbones import build

State = dict[str, Tensor]


def sliding_windows() -> State:
    """`SwinUNETR.swinViT` of MONAI."""
    from monai.networks.nets import SwinUNETR

    return dict(SwinUNETR(in_channels=1, out_channels=2, feature_size=12, depths=(1, 1, 1, 1)).swinViT.state_dict())


def swin_heads(prefix: str) -> State:
    """What MONAI's self-supervised training keeps beside the encoder, and its segmentation network."""
    names = ("rotation_pre", "rotation_head", "contrastive_pre", "contrastive_head", "conv.0", "encoder10.layer.conv1.conv")
    names += ("decoder5.transp_conv.conv", "out.conv.conv")
    return {f"{prefix}{name}.weight": torch.zeros(3, 3) for name in names}


def medicalnet(depth: int) -> tuple[dict[str, Any], State]:
    """A file of MedicalNet's, an eighth as wide, and its tensors under MONAI's names."""
    from monai.networks.nets import resnet

    block, layers, shortcut, bias, _ = resnet.resnet_params[f"resnet{depth}"]
    net = resnet.ResNet(
        block,
        layers,
        [8, 16, 32, 64],
        n_input_channels=1,
        conv1_t_stride=2,
        shortcut_type=shortcut,
        bias_downsample=bias,
        feed_forward=False,
    )
    state = {name: torch.rand_like(tensor) if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()}
    head = {"module.conv_seg.0.weight": torch.zeros(2, 2)}
    return {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()} | head}, state


def vit_of(**options: Any) -> nn.Module:
    """A narrow ViT of MONAI."""
    from monai.networks.nets import ViT

    told = {"img_size": 16, "patch_size": 8, "hidden_size": 24, "mlp_dim": 96, "num_layers": 2, "num_heads": 3}
    torch.manual_seed(0)
    return ViT(1, **{**told, **options})


def unetr(state: State) -> State:
    """A ViT within MONAI's UNETR, whose blocks once held attention across."""
    stale = {"vit.blocks.0.cross_attn.to_q.weight": torch.zeros(2, 2)}
    decoder = {f"{name}.layer.conv1.conv.weight": torch.zeros(2, 2) for name in ("encoder1", "decoder5", "out")}
    return {f"vit.{name}": tensor for name, tensor in state.items()} | stale | decoder


def nnssl(features: Sequence[int], blocks: Sequence[int], **plan: Any) -> tuple[dict[str, Any], State]:
    """A file of nnssl's, as narrow as told, and its encoder's tensors: every layer a second time, and within the decoder once more."""
    torch.manual_seed(1)
    state = dict(build("nnunet_resenc_l", 1, options={"features": features, "blocks": blocks}).net.state_dict())
    encoder = {}
    for name, tensor in state.items():
        parent, layer, last = name.rsplit(".", 2)
        again = f"{parent}.all_modules.{['conv', 'norm'].index(layer)}.{last}"
        encoder |= {name: tensor, again: tensor}
    weights = {f"{prefix}.{name}": tensor for prefix in ("encoder", "decoder.encoder") for name, tensor in encoder.items()}
    weights |= {f"decoder.{name}.0.weight": torch.zeros(2, 2) for name in ("stages", "transpconvs", "seg_layers")}
    told = {"architecture_plans": {"arch_class_name": "ResEncL"}, "pretrain_num_input_channels": 1, "key_to_encoder": "encoder.stages"}
    return {"network_weights": weights, "citations": [], "nnssl_adaptation_plan": {**told, **plan}}, state
