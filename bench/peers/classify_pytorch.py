"""Labelling speed of PyTorch with the weights of a standpoint model, in f32. bench/inference.py runs it.

    pip install --group peers
    python bench/peers/classify_pytorch.py --documents documents.jsonl --article article.jsonl --output result.json
"""

import classify
import torch
import transformers
from safetensors.torch import load_file


def load_encoder(folder, attention="sdpa"):
    """The encoder of a standpoint model, all weights as f32."""
    config = transformers.BertConfig.from_pretrained(folder, attn_implementation=attention)
    encoder = transformers.BertModel(config, add_pooling_layer=False)
    weights = {
        name: tensor.float()
        for name, tensor in load_file(folder / "model.safetensors").items()
        if not name.startswith("heads.")
    }
    # An int8 weight is its stored value times the scales of its row and its column: see "Int8 weights" in docs/training.md.
    for name in [name for name in weights if name.endswith("_column_scale")]:
        weights[name.removesuffix("_column_scale")] *= weights.pop(name)
    for name in [name for name in weights if name.endswith("_scale")]:
        weights[name.removesuffix("_scale")] *= weights.pop(name)[:, None]
    encoder.load_state_dict(weights)
    return encoder.float().eval()


def main():
    options = classify.parser("Labelling speed of PyTorch with the weights of a standpoint model.").parse_args()
    classify.limit_threads(options.threads)
    torch.set_num_threads(options.threads)
    encoder = load_encoder(options.model)

    @torch.inference_mode()
    def encode(tokens, types, mask):
        tokens, types, mask = map(torch.from_numpy, (tokens, types, mask))
        return encoder(input_ids=tokens, token_type_ids=types, attention_mask=mask).last_hidden_state.numpy()

    classify.measure(options, encode, {"torch": torch.__version__, "transformers": transformers.__version__})


if __name__ == "__main__":
    main()
