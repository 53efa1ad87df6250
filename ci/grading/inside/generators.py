"""Random generators that both sides know: with every message, their states follow."""

import torch

__all__ = ["STATES", "Generators"]


class States:
    """Stands in a message for the states of all generators that have drawn since the last message."""


STATES = States()


class Generators:
    """The generators of one exercise, each with a number; the two sides number theirs from different ends."""

    def __init__(self, first: int):
        self.known: dict[int, torch.Generator] = {}
        self.states: dict[int, torch.Tensor] = {}
        self.first = first

    def number(self, generator: torch.Generator) -> int:
        for number, known in self.known.items():
            if known is generator:
                return number
        number = self.first + 2 * len(self.known)
        self.known[number] = generator
        return number

    def of(self, number: int) -> torch.Generator:
        return self.known.setdefault(int(number), torch.Generator())

    def changed(self) -> dict[int, torch.Tensor]:
        states = {number: generator.get_state() for number, generator in self.known.items()}
        new = {n: s for n, s in states.items() if n not in self.states or not torch.equal(s, self.states[n])}
        self.states.update(new)
        return new

    def take(self, states: dict) -> None:
        for number, state in states.items():
            self.of(number).set_state(state)
            self.states[int(number)] = state
