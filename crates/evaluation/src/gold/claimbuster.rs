//! ClaimBuster, the check-worthiness of sentences of debates, as CSV.

use super::collect::{Collector, Draft};
use super::table::{Dialect, Table};
use super::{GoldLabels, GoldSource, unknown};
use crate::error::Result;
use standpoint_core::hash::Digest;

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let table = Table::open(&source.path, Dialect::Csv, digest)?;
    let id = table.column(&["Sentence_id"])?;
    let text = table.column(&["Text"])?;
    let verdict = table.column(&["Verdict"])?;
    table.rows(|at, row| {
        let checkworthy = match row.cell(verdict).trim() {
            "1" => true,
            "0" | "-1" => false,
            other => return Err(unknown("Verdict", other, &["1", "0", "-1"])),
        };
        let labels = GoldLabels { checkworthy: Some(checkworthy), ..GoldLabels::default() };
        let draft = Draft::whole(row.cell(id).to_owned(), None, row.cell(text).to_owned(), labels);
        collector.add(at, draft.with_fields(row.fields(&[id, text])))
    })
}
