//! VAST, the stance of comments toward thousands of topics, as CSV.

use super::collect::{Collector, Draft};
use super::table::{Column, Dialect, Table};
use super::{GoldLabels, GoldSource, unknown};
use crate::error::Result;
use standpoint_core::hash::Digest;
use standpoint_core::label::Stance;

/// Columns that repeat the post or the topic, cut into words.
const REPEATED: [&str; 4] = ["text", "text_s", "topic", "topic_str"];

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let table = Table::open(&source.path, Dialect::Csv, digest)?;
    let id = table.column(&["new_id"])?;
    let post = table.column(&["post"])?;
    let topic = table.column(&["new_topic", "topic_str"])?;
    let label = table.column(&["label"])?;
    let mut read: Vec<Column> = REPEATED.iter().filter_map(|name| table.find(&[name])).collect();
    read.extend([id, post, topic, label]);
    table.rows(|at, row| {
        let stance = match row.cell(label).trim() {
            "0" => Stance::Against,
            "1" => Stance::Favor,
            "2" => Stance::None,
            other => return Err(unknown("label", other, &["0", "1", "2"])),
        };
        let labels = GoldLabels { stance: Some(stance), ..GoldLabels::default() };
        let target = Some(row.cell(topic).to_owned());
        let draft = Draft::whole(row.cell(id).to_owned(), target, row.cell(post).to_owned(), labels);
        collector.add(at, draft.with_fields(row.fields(&read)))
    })
}
