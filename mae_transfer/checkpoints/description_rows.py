"""Turns the description of a checkpoint into the rows of a readable table."""


def describe_in_rows(description: dict) -> list[tuple[str, str]]:
    """Put a description into words, one row per fact.

    Args:
        description: What :func:`~mae_transfer.checkpoints.describe.describe_checkpoint` returns,
            with the paths of the configs that fit under 'configs'.

    Returns:
        Rows of a name and a value; a value of several lines contains line breaks.
    """
    encoder, by = description['encoder'], description['by']
    parts, decoder = description['parts'], description['decoder']

    def told(name: str) -> str:
        if encoder[name] is None:
            return 'not stated'
        text = _shown(encoder[name])
        source = by.get(name, '')
        return text if source in ('', "the file's tensors") else f'{text} ({source})'

    lines = [
        ('file', f'{description["file"]} ({description["bytes"] / 2**20:.1f} MiB)'),
        ('layout', f'{description["layout"]}, tensors in {description["container"]!r}'),
        (
            'arch',
            f'{description["arch"] or "no published size"}: {encoder["num_layers"]} blocks, width '
            f'{encoder["embed_dims"]}, {description["parameters"] / 1e6:.1f} M parameters',
        ),
        ('heads', told('num_heads')),
        ('patch', told('patch_size')),
        ('input size', told('img_size')),
        ('channels', told('in_channels')),
        ('positions', f'{told("pos_order")}, grid {told("pos_grid")}'),
        ('norm epsilon', told('norm_eps')),
        ('activation', told('act')),
        ('parts', ', '.join(_part_words(parts, encoder['layer_scale']))),
        ('decoder', 'none' if decoder is None else _decoder_words(decoder)),
    ]
    pretraining = {k: v for k, v in description['pretraining'].items() if v is not None}
    lines += [('norm-pix', str(pretraining.pop('norm_pix', 'not stated')))]
    lines += [(name.replace('_', ' '), _shown(value)) for name, value in pretraining.items()]
    lines += [('also holds', f'{group}: {n} tensors') for group, n in description['others'].items()]
    lines += [('note', note) for note in description['notes']]
    for how, names in description['configs'].items():
        lines += [(f'fits {how}', '\n'.join(names) or 'no config')]
    return lines


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ('x' if all(isinstance(v, int) for v in value) else ', ').join(map(str, value))
    return str(value)


def _part_words(parts: dict, layer_scale: bool | None) -> list[str]:
    words: list[tuple[str | None, object]] = [
        ('class token', parts['class_token']),
        (f'{parts["register_tokens"]} register tokens', parts['register_tokens']),
        ('absolute positions', parts['pos_embed']),
        (f'relative positions ({parts["rel_pos"]})', parts['rel_pos']),
        ('final norm', parts['norm']),
        ('norm of the mean (fc_norm)', parts['fc_norm']),
        ('layer scale', layer_scale),
        ({'full': 'qkv bias', 'no-key': 'bias of query and value'}.get(parts['qkv_bias']),
         parts['qkv_bias']),
    ]  # fmt: skip
    return [word for word, there in words if word and there] or ['none']


def _decoder_words(decoder: dict) -> str:
    heads = decoder['num_heads'] or 'not stated'
    return (
        f'{decoder["num_layers"]} blocks, width {decoder["embed_dims"]}, heads: {heads}, '
        f'{decoder["values_per_patch"]} values a patch'
    )
