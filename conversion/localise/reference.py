"""The PyTorch side of localisation: the network's values, and what it makes of an artifact's."""

import copy
import operator
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from conversion.deploy import deploy_checkpoint, one_thread
from conversion.errors import ArtifactError
from conversion.localise.trace import Floats, TracedLayer
from training.checkpoint import Checkpoint

_LAYERS = (nn.Conv2d, nn.Linear)
# Functions that work on each element alone, if all their arguments but one are numbers.
_ELEMENTWISE = {
    operator.add,
    operator.mul,
    operator.sub,
    operator.truediv,
    nn.functional.hardsigmoid,
    nn.functional.relu,
    nn.functional.relu6,
    torch.sigmoid,
}
_PREFIX = "model.network."  # of every module of the network inside of the deployed one
NORMALISATION = "pixel normalisation"


class Reference:
    """The deployed network of a checkpoint as a graph of single steps.

    Attributes:
        layers: its convolutions and linear layers, in order of execution.
        compared: keys of the values that can be compared, in order of execution.
        names: key -> what the value is called in the network.
        answer: key of the probabilities.
        known_score: key of the known scores.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Takes the network apart.

        Args:
            checkpoint: its network, mean and deviation are what the artifact is held against.
        """
        deployed = deploy_checkpoint(checkpoint, "nchw")
        for module in deployed.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # the values before it are needed, too
        self._graph = fx.symbolic_trace(deployed)
        *nodes, output = self._graph.graph.nodes
        layers = [node for node in nodes if self._is(node, _LAYERS)]
        self.layers = tuple(self._read_layer(node) for node in layers)
        # Result of a layer that ends in its sum or in a ReLU of it -> the sum.
        self._sums = {self._end_of_sum(node).name: node.name for node in layers}
        self.answer, self.known_score = (node.name for node in output.args[0])
        wanted = {key for layer in self.layers for key in (layer.source, layer.result)}
        wanted |= {self.answer, self.known_score}
        self.compared = tuple(node.name for node in nodes if node.name in wanted)
        self.names = {node.name: self._name(node) for node in nodes if node.name in wanted}
        self.names[self.answer] = PROBABILITIES
        self.names[self.known_score] = KNOWN_SCORE
        self.names[self.layers[0].source] = NORMALISATION

    def run(
        self, x_nchw: Floats, own: Mapping[str, Floats]
    ) -> tuple[dict[str, Floats], dict[str, float]]:
        """Computes the values that can be compared, and how large the terms of their sums are.

        Args:
            x_nchw: float32 pixels 0 to 255, shape [N, 3, H, W].
            own: values to go on with in place of those computed here, by key: so that every
                value is what one part of the network makes of the artifact's own values. Empty
                for the network's own values throughout.

        Returns:
            Values by key; and for the result of a layer the sum of squares of all products that
            it adds up, where at most a ReLU follows.

        Raises:
            ArtifactError: a value does not have the shape of the network's.
        """
        interpreter = _Interpreter(self._graph, self.compared, own)
        with torch.inference_mode(), one_thread():
            interpreter.run(torch.from_numpy(x_nchw))
        return interpreter.values, {
            result: interpreter.terms[node] for result, node in self._sums.items()
        }

    def _is(self, node: fx.Node, kinds: tuple[type[nn.Module], ...]) -> bool:
        return node.op == "call_module" and isinstance(self._module(node), kinds)

    def _module(self, node: fx.Node) -> nn.Module:
        return self._graph.get_submodule(str(node.target))

    def _read_layer(self, node: fx.Node) -> TracedLayer:
        weight = self._module(node).weight
        assert isinstance(weight, Tensor)
        w_oihw = weight.detach().reshape(*weight.shape, *[1] * (4 - weight.dim())).numpy()
        source, result = self._skip_back(node.all_input_nodes[0]), self._follow(node)
        return TracedLayer(str(node.target).removeprefix(_PREFIX), w_oihw, source.name, result.name)

    def _skip_back(self, node: fx.Node) -> fx.Node:
        """Returns the node whose value this one hands on unchanged."""
        if self._is(node, (nn.Identity, nn.Dropout)):
            return self._skip_back(node.all_input_nodes[0])
        return node

    def _follow(self, node: fx.Node) -> fx.Node:
        """Returns the node that a layer ends in; see `localise_trace.follow`."""
        users = list(node.users)
        if len(users) == 1 and self._passes(users[0]):
            return self._follow(users[0])
        return self._skip_back(node)

    def _end_of_sum(self, node: fx.Node) -> fx.Node:
        """Returns the node behind the ReLU of a layer, or the layer's own."""
        for user in node.users:
            if self._is(user, (nn.Identity, nn.Dropout)):
                return self._end_of_sum(user)
            if self._is(user, (nn.ReLU,)) or user.target is nn.functional.relu:
                return user
        return self._skip_back(node)

    def _passes(self, node: fx.Node) -> bool:
        if self._is(node, (nn.Identity, nn.Dropout, nn.ReLU)):
            return True
        # A value times itself is no product with a number.
        computed = [argument for argument in node.args if isinstance(argument, fx.Node)]
        return node.target in _ELEMENTWISE and len(computed) == 1

    def _name(self, node: fx.Node) -> str:
        """Returns the path of the layer that a value comes from, or of the part that adds it up."""
        for layer in self.layers:
            if layer.result == node.name:
                return layer.name
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = stack[-1][0].removeprefix(_PREFIX) if stack else ""
        kind = getattr(node.target, "__name__", str(node.target))
        return f"{path} ({kind})" if path not in ("", "model", "model.network") else f"({kind})"


class _Interpreter(fx.Interpreter):
    """Runs a graph, keeps what is to be compared, and goes on with values from elsewhere."""

    def __init__(
        self, graph: fx.GraphModule, keep: tuple[str, ...], own: Mapping[str, Floats]
    ) -> None:
        super().__init__(graph)
        self.values: dict[str, Floats] = {}
        self.terms: dict[str, float] = {}
        self._keep = set(keep)
        self._own = own

    def run_node(self, node: fx.Node) -> Any:
        """Computes one node; see `fx.Interpreter.run_node`."""
        value = super().run_node(node)
        if node.op == "call_module" and isinstance(self.fetch_attr(str(node.target)), _LAYERS):
            module = self.fetch_attr(str(node.target))
            (source,) = self.fetch_args_kwargs_from_env(node)[0]
            self.terms[node.name] = float(_square_terms(module, source).sum(dtype=torch.float64))
        if node.name not in self._keep:
            return value
        self.values[node.name] = np.asarray(value)
        if node.name not in self._own:
            return value
        own = torch.from_numpy(np.ascontiguousarray(self._own[node.name], np.float32))
        if own.shape != value.shape:
            raise ArtifactError(f"{node.name}: {tuple(own.shape)}, not {tuple(value.shape)}")
        return own


def _square_terms(module: nn.Module, source: Tensor) -> Tensor:
    """Returns, for each result of a layer, the sum of the squares of the products in it."""
    squared = copy.deepcopy(module)
    for parameter in squared.parameters():
        parameter.square_()
    return cast(Tensor, squared(source.square()))
