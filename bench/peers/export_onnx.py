"""Makes ONNX files of the encoder of a standpoint model: f32.onnx, exported by torch.onnx, and int8.onnx.

In int8.onnx the weights of matrix products are quantized by ONNX Runtime (dynamic: activations are quantized as they
come). A program of its own, so that PyTorch counts neither in the time nor in the memory of classify_onnx.py.

    python bench/peers/export_onnx.py --onnx FOLDER
"""

import argparse
import pathlib

import torch
from classify_pytorch import load_encoder
from onnxruntime.quantization import QuantType, quantize_dynamic


class States(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens, types, mask):
        return self.encoder(input_ids=tokens, token_type_ids=types, attention_mask=mask).last_hidden_state


def main():
    parser = argparse.ArgumentParser(description="Makes ONNX files of the encoder of a standpoint model.")
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/small"), metavar="FOLDER")
    parser.add_argument("--onnx", type=pathlib.Path, required=True, metavar="FOLDER", help="where the files go")
    options = parser.parse_args()

    options.onnx.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder(options.model)
    example = torch.ones(2, 7, dtype=torch.long)
    shape = {0: torch.export.Dim("windows"), 1: torch.export.Dim("longest", max=encoder.config.max_position_embeddings)}
    f32, int8 = options.onnx / "f32.onnx", options.onnx / "int8.onnx"
    torch.onnx.export(
        States(encoder).eval(), (example, example, example), f32, dynamo=True, verbose=False, external_data=False,
        input_names=["tokens", "types", "mask"], output_names=["states"], dynamic_shapes=(shape, shape, shape),
    )
    quantize_dynamic(f32, int8, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"])


if __name__ == "__main__":
    main()
