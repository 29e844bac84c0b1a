//! The library in twenty lines: labels the sentences of a text with the bundled model.
//!
//! `cargo run --release --example label`

#![expect(clippy::print_stdout, reason = "an example prints")]

use standpoint::label::Target;
use standpoint::model::Model;
use standpoint::pipeline::Pipeline;
use standpoint::segment;
use standpoint::text::Document;

fn main() -> standpoint::error::Result<()> {
    let model = standpoint::bundled().expect("the feature `bundled` is on by default");
    let pipeline = Pipeline::new(Model::load(&model)?)?;
    let text = "\"Our soldiers must come home,\" the senator said. The base was built in 1987.";
    let document = Document::new("note", text, segment::sentences(text));

    for record in pipeline.records([document], &[Target::default()])? {
        let record = record?;
        let stance = record.stances[0].prediction.label();
        println!("{} {stance}: {}", record.role.label(), record.text());
    }
    Ok(())
}
