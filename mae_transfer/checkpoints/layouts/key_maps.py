"""Maps the names in other sources' checkpoints to the names of PlainViT and MAEDecoder.

A key map pairs their templates with ours. The first pair that matches a name applies; names that
are the same on both sides are omitted.
"""

from mae_transfer.checkpoints.layouts.layout import KeyMap

# ---- names of one block ----------------------------------------------------------------------


def _blocks(theirs: str, ours: str, parts: KeyMap) -> KeyMap:
    """Append the names of a block's parts to the name of the block."""
    return tuple((theirs + their, ours + our) for their, our in (*parts, ('', '')))


OPENMMLAB_PARTS = (
    ('ln1.', 'norm1.'),
    ('ln2.', 'norm2.'),
    ('ffn.layers.0.0.', 'mlp.fc1.'),
    ('ffn.layers.1.', 'mlp.fc2.'),
)
OPENMMLAB_SCALE = (('attn.gamma1.weight', 'ls1.gamma'), ('ffn.gamma2.weight', 'ls2.gamma'))
BEIT_SCALE = (('gamma_1', 'ls1.gamma'), ('gamma_2', 'ls2.gamma'))
HF_ATTENTION = (
    ('attention.attention.query.', 'attn.q.'),
    ('attention.attention.key.', 'attn.k.'),
    ('attention.attention.value.', 'attn.v.'),
    ('attention.output.dense.', 'attn.proj.'),
)
HF_PARTS = (
    *HF_ATTENTION,
    ('layernorm_before.', 'norm1.'),
    ('layernorm_after.', 'norm2.'),
    ('intermediate.dense.', 'mlp.fc1.'),
    ('output.dense.', 'mlp.fc2.'),
)
HF_DINO_PARTS = (
    *HF_ATTENTION,
    ('layer_scale1.lambda1', 'ls1.gamma'),
    ('layer_scale2.lambda1', 'ls2.gamma'),
)

# ---- names of whole encoders and decoders ------------------------------------------------------

OPENMMLAB_TOP = (
    ('patch_embed.projection.', 'patch_embed.proj.'),
    ('ln1.', 'norm.'),
    ('ln2.', 'fc_norm.'),
)
OPENMMLAB = (
    *OPENMMLAB_TOP,
    *_blocks('layers.{i}.', 'blocks.{i}.', OPENMMLAB_PARTS + OPENMMLAB_SCALE),
)
OPENMMLAB_BEIT = (
    *OPENMMLAB_TOP,
    *_blocks('layers.{i}.', 'blocks.{i}.', OPENMMLAB_PARTS + BEIT_SCALE),
)
OPENMMLAB_DECODER = (
    ('ln1.', 'decoder_norm.'),
    *_blocks('decoder_blocks.{i}.', 'decoder_blocks.{i}.', OPENMMLAB_PARTS),
)
BEIT = _blocks('blocks.{i}.', 'blocks.{i}.', BEIT_SCALE)
HF_TOP = (
    ('embeddings.cls_token', 'cls_token'),
    ('embeddings.position_embeddings', 'pos_embed'),
    ('embeddings.patch_embeddings.projection.', 'patch_embed.proj.'),
    ('layernorm.', 'norm.'),
)
HF = (*HF_TOP, *_blocks('encoder.layer.{i}.', 'blocks.{i}.', HF_PARTS))
HF_DINO = (
    *HF_TOP,
    ('embeddings.register_tokens', 'reg_token'),
    *_blocks('encoder.layer.{i}.', 'blocks.{i}.', HF_DINO_PARTS),
)
HF_DECODER = _blocks('decoder_layers.{i}.', 'decoder_blocks.{i}.', HF_PARTS)
ICARUS = (
    ('pos_embedding', 'pos_embed'),
    ('patchify.', 'patch_embed.proj.'),
    ('transformer.{i}.', 'blocks.{i}.'),
    ('layer_norm.', 'norm.'),
)
ICARUS_DECODER = (
    ('pos_embedding', 'decoder_pos_embed'),
    ('transformer.{i}.', 'decoder_blocks.{i}.'),
    ('head.', 'decoder_pred.'),
)
DINOV2 = (('register_tokens', 'reg_token'),)
# FSDP's chunks: the second number counts all blocks, the first cannot be recovered from our names
DINOV2_CHUNKS = (*DINOV2, ('blocks.{_}.{i}.', 'blocks.{i}.'))

# ---- names of what follows the encoder of a classifier; ours are those of our configs -----------

CLASSIFIER = (
    ('head.0.', 'neck.bn.'),  # linear probe: batch norm and linear layer
    ('head.1.', 'head.fc.'),
    ('head.', 'head.fc.'),  # fine-tuned: linear layer
)
CAE_ATTENTIVE_PROBE = (  # without norm2_cross, which CAE's code saves but does not use
    ('query_token', 'neck.0.query_token'),
    ('attentive_blocks.0.norm1_q.', 'neck.0.norm_q.'),
    ('attentive_blocks.0.norm1_k.', 'neck.0.norm_k.'),
    ('attentive_blocks.0.norm1_v.', 'neck.0.norm_v.'),
    ('attentive_blocks.0.cross_attn.', 'neck.0.cross_attn.'),
    ('fc_norm.', 'neck.1.bn.'),
    ('head.', 'head.fc.'),
)
