"""Labelling speed of ONNX Runtime with the weights of a standpoint model, in f32 or int8. bench/inference.py runs it.

    pip install --group peers
    python bench/peers/export_onnx.py --onnx FOLDER
    python bench/peers/classify_onnx.py --onnx FOLDER --documents documents.jsonl --article article.jsonl --output result.json
"""

import pathlib

import classify
import onnxruntime


def main():
    parser = classify.parser("Labelling speed of ONNX Runtime with the weights of a standpoint model.")
    parser.add_argument("--onnx", type=pathlib.Path, required=True, metavar="FOLDER", help="what export_onnx.py wrote")
    parser.add_argument("--dtype", choices=["f32", "int8"], default="f32")
    options = parser.parse_args()
    classify.limit_threads(options.threads)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        options.onnx / f"{options.dtype}.onnx", settings, providers=["CPUExecutionProvider"]
    )

    def encode(tokens, types, mask):
        return session.run(["states"], {"tokens": tokens, "types": types, "mask": mask})[0]

    classify.measure(options, encode, {"onnxruntime": onnxruntime.__version__})


if __name__ == "__main__":
    main()
