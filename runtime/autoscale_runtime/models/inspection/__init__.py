"""Reads a network's file and counts what a decision needs to know of it, without running it.

What is counted, and how (the same for an fp32 file and its quantised forms, QDQ or QOperator; one that is quantised as
it runs rescales in other layers of its own):

Layers
    A layer is one node of the graph; two nodes that share weights are two layers, and a node inside a loop is
    one layer however often it runs.

    - ``conv``: Conv, ConvTranspose, ConvInteger, QLinearConv, DeformConv, fused forms; grouped ones too.
    - ``depthwise_conv``: a convolution whose group count equals its input channels, which are more than one,
      whatever the channel multiplier.
    - ``fully_connected``: Gemm, and MatMul, Einsum and their quantised and fused forms with a weight operand,
      that is one computed from the file's constants alone (through DequantizeLinear, Transpose, Cast, ...). A
      product of two activations (attention scores) is no layer, but its MACs count.
    - ``recurrent``: LSTM, GRU, RNN and TensorFlow Lite's SVDF; one node is one layer, whichever its directions.

    - ``other``: any other node that computes on the query's data: pooling, additions, softmax, attention products.
      Activation functions, normalisation by fixed statistics and quantisation are folded into the layer before them,
      reshaping and casts are free.

MACs
    Multiply-accumulates of one inference at the given input shapes, padding included, bias not. Element-wise
    operators, pooling, normalisation, interpolation and table look-ups have none.

    - convolution: output elements * (input channels / group) * kernel size;
    - transposed convolution: input elements * (output channels / group) * kernel size;
    - matrix product: output elements * inner dimension; an Einsum: the product of all its labels' extents if a
      label is summed over (several operands: pairwise from the left);
    - recurrent: steps * batch * directions * gates * hidden * (input + hidden);
    - attention: its projection, if it has one, and two products with the sequence; a mask saves nothing.

Values moved
    Elements that each layer reads and writes in one inference, its weights (and a quantised form's scales) among them;
    of a look-up or a slice as much is read as is answered. They are absent where anything could not be counted.

Control flow
    Of an ``If`` the branch that its condition selects, where the shapes and constants decide it; otherwise the
    heavier branch, with a note. A ``Loop``, and TensorFlow Lite's WHILE, runs its trip count where that is fixed;
    otherwise one iteration is counted, and ``uncounted`` says so. A ``Scan`` runs once per slice.

Trained values
    Elements of the constants (initializers, Constant nodes, and what ConstantOfShape fills from a constant shape)
    that reach an output as values: weights, biases, normalisation statistics, embeddings, in their stored
    precision, 4-bit ones as half a byte. Not counted: shapes, axes, indices and limits; scales and zero points of
    quantisation; initial states; rank-0 literals of formulas; integers other than quantised weights and
    biases. A tensor is counted once however often it is used, and all branches of an ``If`` count: the
    file holds them. Sparse tensors count their stored values.

``autoscale inspect MODEL --network mine.toml`` writes the counts as a network of the simulator, which
``autoscale.profiles.networks.load_network`` reads. ResNet-50 from its ONNX file so has the counts of the network that
ships, and a softmax more.

Whatever cannot be counted (operators nobody here knows, shapes that depend on the data) is named in ``uncounted``.
"""

from autoscale_runtime.models.inspection.entry import inspect
from autoscale_runtime.models.inspection.inputs import parse_shape
from autoscale_runtime.models.inspection.report import Inspection, TensorInfo

__all__ = ["Inspection", "TensorInfo", "inspect", "parse_shape"]
