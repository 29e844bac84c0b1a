//! FNC-1, the stance of an article's body toward a headline, as two CSV files: pairs, and bodies beside them.

use super::collect::{Collector, Draft};
use super::table::{Dialect, Table};
use super::{GoldLabels, GoldSource, unknown};
use crate::error::{GoldProblem, Result};
use standpoint_core::hash::Digest;
use standpoint_core::label::Stance;
use std::collections::HashMap;
use std::path::Path;

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let bodies = read_bodies(source.companion("the CSV file of bodies")?, digest)?;
    let table = Table::open(&source.path, Dialect::Csv, digest)?;
    let headline = table.column(&["Headline"])?;
    let body = table.column(&["Body ID"])?;
    let stance = table.column(&["Stance"])?;
    table.rows(|_, row| {
        let id = row.cell(body);
        let text = bodies.get(id).ok_or(GoldProblem::Dangling { what: "body", id: id.to_owned() })?;
        let found = match row.cell(stance).trim() {
            "agree" => Stance::Favor,
            "disagree" => Stance::Against,
            "discuss" | "unrelated" => Stance::None,
            other => return Err(unknown("Stance", other, &["agree", "disagree", "discuss", "unrelated"])),
        };
        let labels = GoldLabels { stance: Some(found), ..GoldLabels::default() };
        let fields = row.fields(&[headline, body]);
        let target = Some(row.cell(headline).to_owned());
        // One body stands in many pairs: its id names the document, so that intervals are drawn by body.
        collector.add_part(Draft::whole(id.to_owned(), target, text.clone(), labels).with_fields(fields))
    })
}

/// The texts of the bodies, by their ids.
fn read_bodies(path: &Path, digest: &mut Digest) -> Result<HashMap<String, String>> {
    let table = Table::open(path, Dialect::Csv, digest)?;
    let id = table.column(&["Body ID"])?;
    let text = table.column(&["articleBody"])?;
    let mut bodies = HashMap::new();
    table.rows(|_, row| match bodies.insert(row.cell(id).to_owned(), row.cell(text).to_owned()) {
        None => Ok(()),
        Some(_) => {
            let (id, first) = (row.cell(id).to_owned(), "an earlier line".to_owned());
            Err(GoldProblem::DuplicateId { id, first }.into())
        }
    })?;
    Ok(bodies)
}
