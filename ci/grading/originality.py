"""Whose code it is, as far as its text tells: the kit's own, or the same as another student's."""

import ast
import copy
import functools
import hashlib
import inspect
import textwrap

from helpers.checks.exercise import Exercise

__all__ = ["Text", "is_the_kits", "text_of"]

MOST_BY_CHANCE = 60  # nodes of the syntax tree: shorter answers are often equal by chance


class Text:
    """The text of an answer without what says nothing: comments, docstrings, annotations and the function's name.

    exact: with the names as they are. fingerprint: of the same with all local names replaced. size: nodes.
    """

    def __init__(self, parts: list[ast.stmt]):
        self.size = sum(1 for part in parts for _ in ast.walk(part))
        self.exact = "\n".join(ast.dump(part) for part in parts)
        renamed = [Renamed(locals_of(part)).visit(copy.deepcopy(part)) for part in parts]
        dumped = "\n".join(ast.dump(part) for part in renamed)
        self.fingerprint = hashlib.sha256(dumped.encode()).hexdigest()[:16]


class Plain(ast.NodeTransformer):
    """Removes docstrings and annotations."""

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        node.returns = None
        return node

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)


class Renamed(ast.NodeTransformer):
    """Replaces local names by numbers, in the order in which they appear."""

    def __init__(self, local: set[str]):
        self.local, self.numbers = local, {}

    def new(self, name: str) -> str:
        return f"v{self.numbers.setdefault(name, len(self.numbers))}" if name in self.local else name

    def visit_Name(self, node):
        node.id = self.new(node.id)
        return node

    def visit_arg(self, node):
        node.arg = self.new(node.arg)
        return node


def locals_of(node: ast.AST) -> set[str]:
    names = {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    return names | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


@functools.cache
def kits_definition(exercise: Exercise) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(exercise.kits_own()))).body[0]


def text_of(exercise: Exercise, definition: ast.stmt, whole: bool = False) -> Text:
    """The text of an answer; of a class, of the methods that the stub does not give, unless all of it is wanted."""
    kits = kits_definition(exercise)
    parts = [definition]
    if isinstance(definition, ast.ClassDef) and isinstance(kits, ast.ClassDef) and not whole:
        given = {method.name for method in kits.body if isinstance(method, ast.FunctionDef)} - set(exercise.blank)
        parts = [m for m in definition.body if isinstance(m, ast.FunctionDef) and m.name not in given]
    plain = [Plain().visit(copy.deepcopy(part)) for part in parts]
    for part in plain:
        if isinstance(part, ast.FunctionDef) and not isinstance(definition, ast.ClassDef):
            part.name, part.decorator_list = "f", []
    return Text(plain)


@functools.cache
def kits_text(exercise: Exercise) -> Text:
    return text_of(exercise, kits_definition(exercise))


def is_the_kits(exercise: Exercise, text: Text) -> bool:
    """Whether it is the kit's own text. Of a short function this says nothing, as there is one way to write it."""
    kits = kits_text(exercise)
    return kits.size > MOST_BY_CHANCE and text.fingerprint == kits.fingerprint
