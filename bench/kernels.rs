//! How near each kernel of the packed encoder comes to what the processor can do, as JSON. bench/roofline.py runs it.
//!
//! `cargo bench --bench kernels -- [FOLDER OF A MODEL]`

use serde_json::{Value, json};
use standpoint::kernels::{Dtype, Isa, LayerShape, profile};
use standpoint::machine;
use standpoint::model::{Model, ModelSource};

/// As in batches of articles.
const TOKENS: usize = 512;
const WINDOW: usize = 180;

fn main() {
    let folder = std::env::args().nth(1).filter(|argument| !argument.starts_with("--"));
    let source = folder.map_or_else(
        || standpoint::bundled().expect("the model is bundled"),
        |folder| ModelSource::Folder(folder.into()),
    );
    let model = Model::load(&source).expect("the model can be loaded");
    let config = model.config();
    let layer = LayerShape {
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        heads: config.num_attention_heads,
    };
    let mut runs = Vec::new();
    // Those whose multiply-adds of bytes are one instruction: of several, a compiler takes some out of the peak's loop.
    for isa in [Isa::Avx512Amx, Isa::Avx512Vnni, Isa::Avx2Vnni] {
        for (dtype, on_grid) in [(Dtype::Int8, true), (Dtype::F32, true), (Dtype::F32, false)] {
            if isa.is_available() {
                let profile = profile(layer, dtype, isa, on_grid, TOKENS, WINDOW);
                let weights = if on_grid { "bytes" } else { "any" };
                runs.push(json!({ "isa": isa.name(), "dtype": dtype.name(), "weights": weights, "profile": profile }));
            }
        }
    }
    let report: Value = json!({
        "what": "each kernel of a layer, one thread, against the processor's peak",
        "machine": machine::description(),
        "model": model.settings().name,
        "tokens": TOKENS,
        "window": WINDOW,
        "runs": runs,
    });
    println!("{report:#}");
}
