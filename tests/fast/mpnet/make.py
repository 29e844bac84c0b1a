"""Makes the fixture of tests/fast/mpnet.rs: a tiny MPNet of random weights, and the states that transformers gives.

    pip install --group peers
    python tests/fast/mpnet/make.py
"""

import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent
# Long enough for keys on both sides to share buckets.
LENGTHS = [1, 2, 13, 90]


def main():
    config = transformers.MPNetConfig(
        vocab_size=24, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=98, relative_attention_num_buckets=32, layer_norm_eps=1e-5,
    )
    torch.manual_seed(1)
    model = transformers.MPNetModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.ndim > 1 else 0.2))
        for name, parameter in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                parameter.add_(1.0)
        windows = []
        for length in LENGTHS:
            tokens = [(7 * index + length) % 20 + 3 for index in range(length)]
            states = model(torch.tensor([tokens])).last_hidden_state[0]
            windows.append({"tokens": tokens, "states": [round(x, 6) for x in states.flatten().tolist()]})
    fields = (
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "hidden_act", "max_position_embeddings", "relative_attention_num_buckets", "layer_norm_eps",
    )
    described = {field: config.to_dict()[field] for field in fields}
    (FOLDER / "config.json").write_text(json.dumps(described, indent=1) + "\n")
    (FOLDER / "states.json").write_text("[\n" + ",\n".join(map(json.dumps, windows)) + "\n]\n")
    save_file({name: tensor.contiguous() for name, tensor in model.named_parameters()}, FOLDER / "model.safetensors")


if __name__ == "__main__":
    main()
