//! The lexical baseline: cue words alone. The lists are short and were written by hand, not learned. A model that beats them
//! has learned more than single words.

use super::{Text, certain, words};
use crate::sample::Task;

/// Words that report what somebody said or thinks.
const REPORTING: &[&str] = &[
    "said",
    "says",
    "say",
    "saying",
    "told",
    "tells",
    "tweeted",
    "wrote",
    "added",
    "adding",
    "asked",
    "argued",
    "argues",
    "warned",
    "warns",
    "announced",
    "declared",
    "stated",
    "claimed",
    "claims",
    "insisted",
    "insists",
    "denied",
    "pledged",
    "vowed",
    "urged",
    "called",
    "demanded",
    "promised",
    "suggested",
    "noted",
    "acknowledged",
    "believes",
    "believe",
    "thinks",
    "fears",
    "hopes",
    "wants",
    "criticized",
    "according",
    "reportedly",
];

/// Words of history, of descriptions, of captions and of questions.
const BACKGROUND: &[&str] = &[
    "had",
    "was",
    "were",
    "been",
    "is",
    "are",
    "has",
    "ago",
    "since",
    "then",
    "years",
    "decades",
    "once",
    "former",
    "until",
    "photo",
    "image",
    "file",
    "getty",
    "reuters",
    "ap",
    "advertisement",
    "subscribe",
    "read",
    "click",
    "more",
    "?",
];

/// Words of news.
const NEWS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "today",
    "will",
    "killed",
    "announcement",
    "comes",
    "new",
    "week",
    "could",
    "decision",
    "plan",
];

/// Beginnings of words, or pairs of words, that mean leaving.
const LEAVE: &[&str] = &[
    "withdraw",
    "withdrew",
    "pullout",
    "pull-out",
    "pull out",
    "pulling out",
    "pulled out",
    "pull back",
    "leav",
    "left",
    "expel",
    "expulsion",
    "exit",
    "drawdown",
    "draw down",
    "drawing down",
    "bring home",
    "bringing home",
    "come home",
    "troops home",
    "soldiers home",
    "troops out",
    "forces out",
    "depart",
    "evacuat",
    "get out",
    "end the",
    "ending the",
    "reduc",
];

/// The same for staying, and for more troops.
const STAY: &[&str] = &[
    "stay",
    "remain",
    "extend",
    "surge",
    "reinforc",
    "additional",
    "more troops",
    "more soldiers",
    "keep",
    "deploy",
    "redeploy",
    "maintain",
    "residual",
];

/// Beginnings of words for supporting or doing something.
const SUPPORT: &[&str] = &[
    "want",
    "demand",
    "call",
    "vote",
    "urg",
    "order",
    "decid",
    "decision",
    "announc",
    "plan",
    "agree",
    "approv",
    "support",
    "back",
    "favor",
    "pledg",
    "promis",
    "vow",
    "must",
    "should",
    "need",
    "will",
    "would",
    "deadline",
    "timetable",
    "begin",
    "began",
    "start",
];

/// The same for opposing something.
const OPPOSE: &[&str] = &[
    "oppos",
    "warn",
    "reject",
    "refus",
    "condemn",
    "criti",
    "mistake",
    "premature",
    "precipit",
    "hast",
    "abandon",
    "disast",
    "risk",
    "danger",
    "fear",
    "delay",
    "block",
    "halt",
    "betray",
    "vacuum",
    "concern",
    "against",
];

const NEGATIONS: &[&str] = &["not", "no", "never", "without", "nor", "cannot"];

const COMPARATIVES: &[&str] = &[
    "more", "less", "fewer", "most", "least", "than", "highest", "lowest", "doubled", "tripled", "rose",
    "fell",
];

const QUANTITIES: &[&str] = &[
    "percent",
    "percentage",
    "million",
    "millions",
    "billion",
    "billions",
    "trillion",
    "thousand",
    "thousands",
    "hundreds",
    "dozens",
    "half",
    "rate",
    "average",
    "number",
    "every",
    "majority",
];

/// The probabilities of the task's labels, in order. The stance toward any other target than the withdrawal of foreign
/// troops is "none", because there are no cue words for it.
pub fn answer(task: Task, text: &Text) -> Vec<f64> {
    let words = words(text.text);
    let labels = task.labels();
    let label = match task {
        Task::Checkworthy => return checkworthy(&words),
        Task::Attributed => match role(&words) {
            "attributed" => "attributed",
            _ => "other",
        },
        Task::Stance if text.has_default_target() => stance(&words),
        Task::Stance => "none",
        _ => role(&words),
    };
    certain(labels.iter().position(|known| *known == label).unwrap_or(0), labels.len())
}

fn count(words: &[String], cues: &[&str]) -> usize {
    words.iter().filter(|word| cues.contains(&word.as_str())).count()
}

fn role(words: &[String]) -> &'static str {
    let quotes = count(words, &["\"", "“", "”"]);
    if quotes > 0 || count(words, REPORTING) > 0 {
        return "attributed";
    }
    let background = count(words, BACKGROUND) + words.iter().filter(|word| is_year(word)).count();
    // Very short sentences are mostly credits, menus and fragments.
    if words.len() < 5 || background > count(words, NEWS) { "background" } else { "claim" }
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && word.bytes().all(|byte| byte.is_ascii_digit())
        && (word.starts_with("19") || word.starts_with("20"))
}

fn stance(words: &[String]) -> &'static str {
    let (leave, stay) = (places(words, LEAVE), places(words, STAY));
    // A word for staying counts only if there is none for leaving.
    let (movement, direction) = match (leave.first(), stay.first()) {
        (Some(&at), _) => (at, 1),
        (None, Some(&at)) => (at, -1),
        (None, None) => return "none",
    };
    let attitude = match (places(words, SUPPORT).is_empty(), places(words, OPPOSE).is_empty()) {
        (_, false) => -1,
        (false, true) => 1,
        (true, true) => return "none",
    };
    let negated = words[..movement]
        .iter()
        .rev()
        .take(6)
        .any(|word| NEGATIONS.contains(&word.as_str()) || word.ends_with("n't"));
    match direction * attitude * if negated { -1 } else { 1 } {
        1 => "favor",
        _ => "against",
    }
}

/// The indices at which a cue begins: a word with this beginning, or two words of which the second has it.
fn places(words: &[String], cues: &[&str]) -> Vec<usize> {
    let stands = |at: usize, cue: &str| match cue.split_once(' ') {
        None => words[at].starts_with(cue),
        Some((first, second)) => {
            words[at] == first && words.get(at + 1).is_some_and(|next| next.starts_with(second))
        }
    };
    (0..words.len()).filter(|&at| cues.iter().any(|cue| stands(at, cue))).collect()
}

/// A sentence is worth checking if it has numbers, quantities and comparatives. Two of them make a yes.
fn checkworthy(words: &[String]) -> Vec<f64> {
    let numbers = words.iter().filter(|word| word.bytes().any(|byte| byte.is_ascii_digit())).count();
    let cues = (numbers + count(words, COMPARATIVES) + count(words, QUANTITIES)) as f64;
    let yes = cues / (cues + 1.5);
    vec![yes, 1.0 - yes]
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::Target;

    fn label(task: Task, text: &str, target: &str) -> &'static str {
        let text = Text { text, before: None, after: None, target: Some(target) };
        let probabilities = answer(task, &text);
        let best = (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
        task.labels()[best.unwrap()]
    }

    #[test]
    fn roles_follow_reporting_verbs_quotes_and_history() {
        for (text, role) in [
            ("The harbour master said the ferry was overloaded.", "attributed"),
            ("The bridge is closed, according to the mayor.", "attributed"),
            ("“It cannot go on like this.”", "attributed"),
            ("The port was dredged in the 1960s and had two cranes.", "background"),
            ("A soldier stands guard at the gate of the camp. PHOTO: AGENCY", "background"),
            ("The last engineers leave the island on Friday.", "claim"),
        ] {
            assert_eq!(label(Task::Role, text, Target::DEFAULT), role, "{text}");
            let attributed = if role == "attributed" { "attributed" } else { "other" };
            assert_eq!(label(Task::Attributed, text, ""), attributed, "{text}");
        }
    }

    #[test]
    fn stance_follows_direction_attitude_and_negation() {
        for (text, stance) in [
            ("Lawmakers voted to expel the foreign soldiers.", "favor"),
            ("She opposes a withdrawal before winter.", "against"),
            ("They do not want the troops to stay.", "favor"),
            ("Washington has said it has no plans to pull out its 5,000 soldiers.", "against"),
            ("He decided that the troops would remain.", "against"),
            ("The island has 4,100 inhabitants.", "none"),
        ] {
            assert_eq!(label(Task::Stance, text, Target::DEFAULT), stance, "{text}");
            assert_eq!(label(Task::Stance, text, "a ban on night flights"), "none", "another target");
        }
    }

    #[test]
    fn numbers_and_comparatives_are_worth_checking() {
        assert_eq!(label(Task::Checkworthy, "Rents rose by 12 percent, more than wages.", ""), "yes");
        assert_eq!(label(Task::Checkworthy, "Let us begin.", ""), "no");
    }
}
