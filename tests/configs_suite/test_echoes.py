"""Leaves of configs/ are short differences: few lines, and few that stand in a second leaf."""

import ast
import io
import tokenize
from collections import defaultdict

from tests.configs_suite.reading import CONFIGS, EVERY

NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}
MOST_LINES = 1300
LARGEST_SHARE = 0.15


def lines_of_statements(source: str) -> list[tuple[str, int]]:
    """Each statement of a config but its head, as a tree without positions, with its code lines."""
    rows: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            rows.update(range(token.start[0], token.end[0] + 1))
    statements = ast.parse(source).body[1:]
    return [
        (ast.dump(node), len(rows & set(range(node.lineno, node.end_lineno + 1))))
        for node in statements
    ]


def test_lines_of_statements__count_code_alone():
    source = '"""Head."""\n\na = [\n    1,\n    # why\n    2,\n]\nb = 3  # note\n'
    assert [lines for _, lines in lines_of_statements(source)] == [4, 1]


def test_leaves__are_short_and_repeat_each_other_little():
    """A line is repeated where its statement is one of a second leaf as well."""
    leaves = {path: lines_of_statements((CONFIGS / path).read_text()) for path in EVERY}
    where = defaultdict(set)
    for path, statements in leaves.items():
        for statement, _ in statements:
            where[statement].add(path)
    total = sum(lines for statements in leaves.values() for _, lines in statements)
    repeated = sum(
        lines
        for statements in leaves.values()
        for statement, lines in statements
        if len(where[statement]) > 1
    )
    assert total <= MOST_LINES
    assert repeated <= LARGEST_SHARE * total, f'{repeated} of {total} lines'
