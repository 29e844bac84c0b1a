//! Whether a text is English, as all models are. Says no only where it is plain: a warning that is often wrong is not read.

use whatlang::{Lang, Script};

/// As much of a text as is looked at, in bytes.
const SAMPLE: usize = 4096;

/// Fewer letters than this tell nothing, unless they are of another script.
const LETTERS: usize = 80;

/// Words that make up a fifth to a third of English, names and quotes in it or not, and less than a tenth of other languages.
const COMMON: [&str; 30] = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "on", "was", "with", "he", "it", "as", "his",
    "at", "by", "from", "said", "they", "this", "are", "be", "have", "has", "but", "not", "we", "i",
];

/// The language of a text that is not English, as English calls it.
pub(super) fn foreign(text: &str) -> Option<&'static str> {
    let sample = &text[..text.floor_char_boundary(SAMPLE)];
    let letters = sample.chars().filter(|c| c.is_alphabetic()).count();
    let words = || sample.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let common = words().filter(|word| COMMON.iter().any(|known| known.eq_ignore_ascii_case(word))).count();
    if common * 8 > words().count() {
        return None;
    }
    let found = whatlang::detect(sample)?;
    let is_enough = match found.script() {
        Script::Latin => letters >= LETTERS && found.is_reliable() && found.confidence() > 0.9,
        _ => letters >= LETTERS / 2,
    };
    (found.lang() != Lang::Eng && is_enough).then(|| found.lang().eng_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_languages_are_named() {
        for (text, language) in [
            (
                "Les derniers soldats ont quitté le port lundi matin, et le gouvernement a déclaré que personne ne reviendrait avant la fin de l’année prochaine.",
                "French",
            ),
            (
                "Die letzten Soldaten haben den Hafen am Montag verlassen, und die Regierung erklärte, dass niemand vor dem Ende des nächsten Jahres zurückkehren werde.",
                "German",
            ),
            (
                "Los últimos soldados abandonaron el puerto el lunes por la mañana, y el gobierno declaró que nadie volvería antes de que termine el próximo año.",
                "Spanish",
            ),
            ("Последние солдаты покинули порт в понедельник утром, и никто не остался.", "Russian"),
            ("غادر آخر الجنود الميناء صباح يوم الاثنين ولم يبق أحد هناك.", "Arabic"),
        ] {
            assert_eq!(foreign(text), Some(language), "{text}");
        }
    }

    #[test]
    fn english_is_not_called_foreign_and_little_says_nothing() {
        for text in [
            "The last soldiers left the port on Monday.",
            "Les Misérables",
            "Goal! Núñez, Müller, Çelik, Sørensen score; Ferencváros–Slovan 4–1.",
            "Col. Vera Lund, Ambassador José Núñez and Foreign Minister Sørensen met in São Paulo. They said the base at Al-Nahr would close by June, and that 2,400 troops were leaving.",
            "",
        ] {
            assert_eq!(foreign(text), None, "{text}");
        }
    }
}
