"""Exports the encoder of a standpoint model to ONNX: f32.onnx, by torch.onnx, and int8.onnx.

int8.onnx uses ONNX Runtime's dynamic quantization: the weights of matrix products are quantized ahead of time, activations at
run time. This is a separate program, so that PyTorch affects neither the time nor the memory of classify_onnx.py.

    pip install --group peers
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
    # ONNX Runtime recognises and fuses attention that is written as single products. Of all exports tried, this one ran
    # fastest, in f32 and in int8. The newer exporter leaves attention unfused.
    encoder.set_attn_implementation("eager")
    # Include padding: given a mask of only ones, the exporter would drop the mask.
    tokens, mask = torch.ones(2, 7, dtype=torch.long), torch.ones(2, 7, dtype=torch.long)
    mask[1, 4:] = 0
    names = ["tokens", "types", "mask"]
    f32, int8 = options.onnx / "f32.onnx", options.onnx / "int8.onnx"
    torch.onnx.export(
        States(encoder).eval(), (tokens, tokens, mask), str(f32), dynamo=False, opset_version=17,
        input_names=names, output_names=["states"],
        dynamic_axes={name: {0: "windows", 1: "longest"} for name in [*names, "states"]},
    )
    quantize_dynamic(f32, int8, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"])


if __name__ == "__main__":
    main()
