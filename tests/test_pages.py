"""Commands, links and code of the pages: they parse, files and options exist, Python runs."""

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from mae_transfer.run.options import check_option
from mae_transfer.run.places import find_file
from mae_transfer_command import COMMANDS as COMMANDS_OF_TOOLS
from tests.support.tools import load_tool

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'configs').rglob('*.md'))]
HEADS = sorted((ROOT / 'configs').rglob('*.py'))
# What a fresh Debian with Python and make has, and what is there once the environment is activated.
PROGRAMS = (
    'bash', 'git', 'mae-transfer', 'make', 'mim', 'pip', 'pre-commit', 'python', 'source',
    'tensorboard', '.venv/bin/python',
)  # fmt: skip
MISTAKES = ('tools/', './tools/', 'python3 tools/')  # 'permission denied', another interpreter
PLACEHOLDERS = re.compile(r'^[A-Z][A-Z_]*(\.(py|pth|json))?$')
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


read_once, load_once = cache(Config.fromfile), cache(load_tool)


def fenced(text: str, language: str) -> list[str]:
    """Code blocks of one language."""
    return [code for name, code in FENCE.findall(text) if name == language]


def code_lines(text: str) -> Iterator[str]:
    """Lines of fenced shell blocks and of indented blocks, joined where a backslash ends them."""
    indented = FENCE.sub('', text)
    blocks = [*fenced(text, 'bash'), *fenced(text, '')]
    blocks += re.findall(r'(?:^    .*\n?)+', indented, re.MULTILINE)
    for block in blocks:
        yield from re.sub(r'\s*\\\n\s*', ' ', block).splitlines()


def inline_code(text: str) -> list[str]:
    """Code within sentences and tables."""
    return re.findall(r'(?<!`)`([^`\n]+)`(?!`)', FENCE.sub('', text))


def commands_of(path: Path) -> list[str]:
    """Commands of a page, or of the head of a config."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        text = ast.get_docstring(ast.parse(text)) or ''
    lines = [line.strip() for line in (*code_lines(text), *inline_code(text))]
    first = (*PROGRAMS, *MISTAKES)
    return [line for line in lines if line.startswith(first) and ' ' in line]


COMMANDS = sorted({(str(p.relative_to(ROOT)), c) for p in [*PAGES, *HEADS] for c in commands_of(p)})


def test_pages__have_commands():
    pages = {page for page, _ in COMMANDS}
    assert len(COMMANDS) > 100
    assert {'README.md', 'CONTRIBUTING.md'} <= pages
    assert 'configs/detection/README.md' in pages


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page__shell_blocks_hold_commands_alone(path):
    for block in fenced(path.read_text(encoding='utf-8'), 'bash'):
        for line in re.sub(r'\s*\\\n\s*', ' ', block).splitlines():
            line = line.partition(' #')[0].strip()
            assert not line or line.split()[0] in PROGRAMS, line


@pytest.mark.parametrize('page, command', COMMANDS)
def test_command__works_as_printed(page, command, monkeypatch):
    """It starts a program that is there, and its arguments are those that the program takes."""
    for part in command.partition(' #')[0].split(' && '):
        check_command(shlex.split(part.replace('...', '')), monkeypatch)


def check_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = words
    assert program in (*PROGRAMS, 'cd'), f'{program}: not found, or permission denied'
    if program == 'make':
        check_make(arguments)
    elif program in ('python', '.venv/bin/python') and arguments[0].startswith('tools/'):
        check_tool(Path(arguments[0]).stem, arguments[1:], monkeypatch)
    elif program == 'mae-transfer':
        name = arguments[0]
        if not PLACEHOLDERS.match(name):
            check_tool(Path(COMMANDS_OF_TOOLS[name]).stem, arguments[1:], monkeypatch)
    elif program == 'bash':
        check_script(arguments, monkeypatch)
    elif program == 'source':
        assert arguments == ['.venv/bin/activate']
    elif program == 'pip' and '-c' in arguments:
        assert (ROOT / arguments[arguments.index('-c') + 1]).is_file()


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8').replace('$(VENV)', '.venv')
    targets = [word for word in arguments if '=' not in word]
    for target in targets:
        assert re.search(rf'^{re.escape(target)}:', makefile, re.MULTILINE), target


def check_script(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """dist_*.sh CONFIG [CHECKPOINT] GPUS ..., slurm_*.sh PARTITION JOB CONFIG ..."""
    script, *rest = arguments
    if script == '.ci/run':
        return
    assert (ROOT / script).is_file(), script
    stem = Path(script).stem
    tool = stem.rpartition('_')[2]
    if not rest:
        return
    if stem.startswith('dist'):
        place = 2 if tool == 'test' else 1
        assert rest[place].isdigit() or rest[place] == 'GPUS', f'{rest[place]} is no number of GPUs'
        del rest[place]
    else:
        del rest[:2]
    check_tool(tool, rest, monkeypatch)


def check_tool(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if PLACEHOLDERS.match(name):
        return
    path = ROOT / 'tools' / f'{name}.py'
    assert path.is_file(), f'there is no {path}'
    if not arguments:  # a sentence names the tool
        return
    if '[' in ' '.join(arguments).replace('[0]', ''):
        return
    monkeypatch.setattr(sys, 'argv', [str(path), *arguments])
    try:
        args = load_once(name).parse_args()
    except SystemExit as stop:
        pytest.fail(f'{name} refuses {arguments} with exit code {stop.code}')
    config = getattr(args, 'config', None)
    if config and not PLACEHOLDERS.match(Path(config).name):
        cfg = read_once(find_file(config, 'CONFIG'))
        for key, value in getattr(args, 'cfg_options', {}).items():
            if not isinstance(value, str) or not PLACEHOLDERS.match(value):
                check_option(cfg, key, value)


def test_readme__clones_the_repository_of_the_package():
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    (repository,) = re.findall(r"^REPOSITORY = '(.+)'$", setup, re.MULTILINE)
    assert f'git clone {repository} ' in (ROOT / 'README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page__links_lead_somewhere(path):
    text = path.read_text(encoding='utf-8')
    anchors = {
        re.sub(r'[^\w\- ]', '', title.lower()).strip().replace(' ', '-')
        for title in re.findall(r'^#+ (.+)$', text, re.MULTILINE)
    }
    for target in re.findall(r'\]\(([^)]+)\)', text):
        if target.startswith(('http://', 'https://')):
            continue
        file, _, anchor = target.partition('#')
        if file:
            assert (path.parent / file).exists(), target
        elif anchor:
            assert anchor in anchors, target


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page__names_configs_and_modules_that_exist(path):
    text = path.read_text(encoding='utf-8')
    for name in re.findall(
        r'\b((?:configs|tools|mae_transfer|tests)/[\w\-/.]*\w\.(?:py|sh|md))', text
    ):
        assert (ROOT / name).is_file() or PLACEHOLDERS.match(Path(name).name), name
    stems = {config.stem for config in HEADS}
    for name in inline_code(text):
        if re.fullmatch(r'[a-z\d_-]+_\d+xb\d+[a-z\d_-]+', name):
            assert name in stems, name


@pytest.mark.parametrize(
    'code',
    [code for path in PAGES for code in fenced(path.read_text(encoding='utf-8'), 'python')],
    ids=lambda code: code.strip().splitlines()[0],
)
def test_python__of_the_pages_imports_what_exists(code):
    """The imports of each block are run; blocks that need no files are run whole."""
    tree = ast.parse(code)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names: dict[str, object] = {}
    exec(compile(ast.Module(imports, []), '<page>', 'exec'), names)
    if 'work_dirs' not in code:
        exec(compile(tree, '<page>', 'exec'), names)
        assert [tuple(m.shape) for m in names.get('maps', ())] in ([], [(1, 768, 30, 40)])
