"""What a planted mistake is, and how it gets into a file."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """One wrong line, and the test that fails because of it.

    Args:
        file: The file, relative to the root of the repository.
        right: A part of a line, or a whole one, that occurs once in the file.
        wrong: What the mistake makes of it.
        meaning: What goes wrong, in one sentence.
        test: Node id of the test that fails, relative to the root; without the part in brackets,
            one case of a parametrized test has to fail.
    """

    file: str
    right: str
    wrong: str
    meaning: str
    test: str

    @property
    def name(self) -> str:
        """How the mistake is called in what is printed, and how it is chosen."""
        return f'{self.file}: {self.right.strip()} -> {self.wrong.strip() or "(nothing)"}'


def plant(mistake: Mistake, text: str) -> str:
    """Return the text of the file with the mistake.

    Raises:
        ValueError: The line is not there, or more than once, or the mistake changes nothing.
    """
    found = text.count(mistake.right)
    if found != 1:
        raise ValueError(f'{mistake.file} has the text {mistake.right!r} {found} times: must be 1')
    if mistake.right == mistake.wrong:
        raise ValueError(f'{mistake.name}: must change the line')
    return text.replace(mistake.right, mistake.wrong)


def has_test(root: Path, node: str) -> bool:
    """Whether the file of a node id defines its function."""
    path, _, function = node.partition('::')
    file = root / path
    return file.is_file() and f'def {function.partition("[")[0]}(' in file.read_text('utf-8')
