"""The tokenizer of BEiT's and CAE's code: 8192 codes, each for 8 x 8 pixels.

With residual blocks, as DALL-E's has; in BEiT's class they are an option.
"""

tokenizer = dict(
    type='DiscreteVAE',
    head=dict(type='LogitLaplaceLikelihood'),
    num_codes=8192,
    embed_dims=512,
    hidden_dims=256,
    num_layers=3,
    num_blocks=2,
)
