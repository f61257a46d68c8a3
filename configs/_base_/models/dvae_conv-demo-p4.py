"""The demo's tokenizer: 128 codes, each for 4 x 4 pixels of a view of 32.

A view of half the encoder's size, as in CAE: its codes form the 8 x 8 grid of the encoder's
patches of 8 on 64 pixels.
"""

tokenizer = dict(
    type='DiscreteVAE',
    head=dict(type='SquaredErrorLikelihood'),
    num_codes=128,
    embed_dims=64,
    hidden_dims=64,
    num_layers=2,
    num_blocks=2,
)
