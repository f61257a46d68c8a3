"""OpenMMLab's index of the recipes: complete, and no score that the configs' heads do not state."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))['Import']
METAFILES = {path: yaml.safe_load((ROOT / path).read_text(encoding='utf-8')) for path in INDEX}
MODELS = [model for metafile in METAFILES.values() for model in metafile['Models']]
COLLECTIONS = [c for metafile in METAFILES.values() for c in metafile.get('Collections', ())]


def expected_score(config: str) -> str:
    """Return what the head of a config expects, on one line."""
    head = ast.get_docstring(ast.parse((ROOT / config).read_text(encoding='utf-8'))) or ''
    match = re.search(r'Expected:(.*?)(?=\n(?:Cost:|Source:|\n)|\Z)', head, re.DOTALL)
    return ' '.join(match[1].split()) if match else ''


def test_index__imports_all_metafiles():
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('metafile.yml')}
    assert set(INDEX) == found
    assert len(INDEX) == len(found)


def test_metafiles__have_one_entry_a_config():
    configs = Counter(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'configs').rglob('*.py')
        if '_base_' not in path.parts
    )
    assert Counter(model['Config'] for model in MODELS) == configs


def test_metafiles__names_and_folders():
    assert [m['Name'] for m in MODELS] == [Path(m['Config']).stem for m in MODELS]
    for path, metafile in METAFILES.items():
        folder = Path(path).parent.as_posix()
        assert all(model['Config'].startswith(f'{folder}/') for model in metafile['Models'])


def test_metafiles__collections_exist():
    names = [collection['Name'] for collection in COLLECTIONS]
    assert len(names) == len(set(names))
    assert {model['In Collection'] for model in MODELS} == set(names)
    assert [c['README'] for c in COLLECTIONS if not (ROOT / c['README']).is_file()] == []


@pytest.mark.parametrize('path', INDEX)
def test_metafiles__scores_are_those_of_the_heads(path):
    for model in METAFILES[path]['Models']:
        text = expected_score(model['Config'])
        if text.startswith('no published score'):
            assert 'Results' not in model, model['Name']
        for result in model.get('Results', ()):
            assert result['Source'].startswith('published, not run here'), model['Name']
            for metric, value in result['Metrics'].items():
                assert re.search(rf'(?<![\d.]){value}(?![\d])', text), (model['Name'], metric)


@pytest.mark.parametrize('path', INDEX)
def test_metafiles__length_and_batch_are_those_of_the_names(path):
    for model in METAFILES[path]['Models']:
        gpus, images = re.search(r'_(\d+)xb(\d+)-', model['Name']).groups()
        assert model['Metadata']['Batch Size'] == int(gpus) * int(images)
        length, unit = re.search(r'-(\d+)([eki])(?=_|$)', model['Name']).groups()
        key, factor = {'e': ('Epochs', 1), 'k': ('Iterations', 1000), 'i': ('Iterations', 1)}[unit]
        assert model['Metadata'][key] == int(length) * factor
