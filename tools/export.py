"""Export the encoder of a checkpoint to a file that another library loads strictly.

    python tools/export.py CKPT --to timm [--format safetensors|pth] [--out PATH]

CKPT is anything that --pretrained takes: a file of any known layout, a work dir, a folder of
Hugging Face's library, or timm:NAME. Targets: mae_transfer, fair-mae, timm, hf-vit, hf-vitmae,
mmpretrain, detectron2. MAE's decoder is included if the target has a place for it. To mae_transfer,
linear layers and probes of MAE's and CAE's code are included. Everything that is folded, added or
dropped is printed.
"""

import argparse

from mae_transfer.checkpoints.export.export import export_checkpoint
from mae_transfer.checkpoints.export.targets import FORMATS, TARGETS
from mae_transfer.run.command_line import (
    add_debug_argument,
    add_facts_argument,
    add_trust_argument,
)
from mae_transfer.run.errors import run_tool
from mae_transfer.run.weights import trust_checkpoints


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('checkpoint', metavar='CKPT', help='file, work dir, folder or timm:NAME')
    parser.add_argument('--to', required=True, metavar='TARGET', help=', '.join(TARGETS))
    parser.add_argument(
        '--format', choices=FORMATS, help="file format; the target's own by default"
    )
    parser.add_argument(
        '--out', metavar='PATH', help='file, or folder for hf-*; next to CKPT by default'
    )
    parser.add_argument(
        '--no-decoder', action='store_true', help='leave out the decoder, if there is one'
    )
    add_facts_argument(parser)
    add_trust_argument(parser)
    add_debug_argument(parser)
    return parser.parse_args()


def export(args: argparse.Namespace) -> None:
    """Export, and report what was done."""
    if args.trust_checkpoint:
        trust_checkpoints()
    done = export_checkpoint(
        args.checkpoint,
        args.to,
        args.out,
        args.format,
        args.facts,
        with_decoder=not args.no_decoder,
    )
    print(f'read: {done.source}')
    for step in done.steps:
        print(f'  {step}')
    for group, names in done.left_out.items():
        print(f'  {group}: {len(names)} tensors left out, not part of encoder or MAE decoder')
    print(f'wrote {done.path}: {done.num_tensors} tensors for {done.target.model}')
    print(f'load it: {done.target.load.format(path=str(done.path))}')
    print(f'into a model built with {_call(done.arguments)}')


def _call(arguments: dict) -> str:
    return ', '.join(f'{name}={value!r}' for name, value in arguments.items())


def main() -> None:
    """Entry point."""
    args = parse_args()
    run_tool(lambda: export(args), args.debug)


if __name__ == '__main__':
    main()
