//! How text is cut into search terms, and what it means for a search to find a text. Both stores index these terms
//! and nothing else, so that they cannot differ.

use std::collections::BTreeSet;

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};
use unicode_segmentation::UnicodeSegmentation;

/// Longer terms are cut to this many characters, in texts and in searches alike.
const LONGEST_TERM: usize = 64;

/// Lower-cases and strips accents: "Éxito" and "exito" become one.
fn fold(word: &str) -> String {
    if word.is_ascii() {
        // Most words of most texts: nothing to decompose, and a byte is a character.
        return word[..word.len().min(LONGEST_TERM)].to_ascii_lowercase();
    }
    fold_any(word)
}

/// The same for letters of any kind.
fn fold_any(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    // Marks of class 0 are not accents but vowels of their own, as in Devanagari.
    let letters = word.to_lowercase().nfkd().filter(|c| canonical_combining_class(*c) == 0).collect::<String>();
    // Compatibility decomposition may bring capitals back ("™" → "TM").
    for letter in letters.chars().flat_map(char::to_lowercase) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            // Strokes are part of the letter for Unicode, and accents for whoever types without them.
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            '’' => folded.push('\''),
            other => folded.push(other),
        }
    }
    match folded.char_indices().nth(LONGEST_TERM) {
        Some((end, _)) => folded[..end].to_owned(),
        None => folded,
    }
}

/// The terms of a text, in order, with repetitions: its Unicode words (UAX #29), lower-cased, without accents.
pub fn terms(text: &str) -> impl Iterator<Item = String> + '_ {
    text.unicode_words().map(fold).filter(|term| !term.is_empty())
}

/// The words of a search: every one must occur, the last one as a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words {
    /// Terms that must occur whole.
    pub whole: Vec<String>,
    /// The term of which a beginning must occur.
    pub prefix: String,
}

impl Words {
    /// Cuts what somebody typed; `None` when it has no word in it.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let mut whole: Vec<String> = terms(typed).collect();
        let prefix = whole.pop()?;
        whole.sort_unstable();
        whole.dedup();
        Some(Self { whole, prefix })
    }

    /// Whether every word occurs in one of the texts.
    #[must_use]
    pub fn found_in(&self, texts: &[&str]) -> bool {
        let found: BTreeSet<String> = texts.iter().flat_map(|text| terms(text)).collect();
        self.whole.iter().all(|word| found.contains(word))
            && found.range::<String, _>(&self.prefix..).next().is_some_and(|term| term.starts_with(&self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn terms_ignore_case_accents_and_punctuation() {
        let cut: Vec<_> = terms("¿Éxito? La VPN-Verbindung, İstanbul ™ 10.0.0.1").collect();
        assert_eq!(cut, ["exito", "la", "vpn", "verbindung", "istanbul", "10.0.0.1"]);
    }

    #[rstest]
    #[case("CAFÉ", "cafe")]
    #[case("niño", "NIÑO")]
    #[case("Straße", "strasse")]
    #[case("Łódź", "lodz")]
    #[case("Ærø", "aero")]
    #[case("ΟΔΟΣ", "οδος")]
    #[case("don’t", "don't")]
    #[case("ﬁle", "file")]
    #[case("Nguyễn", "nguyen")]
    fn case_and_accents_do_not_matter(#[case] one: &str, #[case] other: &str) {
        assert_eq!(terms(one).collect::<Vec<_>>(), terms(other).collect::<Vec<_>>());
    }

    #[rstest]
    #[case("की", "का")]
    #[case("cote", "cotes")]
    #[case("10.0.0.1", "10.0.0.2")]
    fn different_words_stay_different(#[case] one: &str, #[case] other: &str) {
        assert_ne!(terms(one).collect::<Vec<_>>(), terms(other).collect::<Vec<_>>());
    }

    #[test]
    fn every_word_must_occur_and_the_last_one_may_be_a_beginning() {
        let texts = ["The printer is on fire", "since Monday"];
        let finds = |typed| Words::parse(typed).unwrap().found_in(&texts);
        assert!(finds("printer"));
        assert!(finds("PRINTER mon"));
        assert!(finds("fire the prin"));
        assert!(!finds("prin fire"), "only the last word is a prefix");
        assert!(!finds("printer tuesday"));
        assert_eq!(Words::parse(" ?! "), None);
    }

    #[test]
    fn plain_words_are_folded_as_all_others() {
        let all: String = (0..=127_u8).map(char::from).collect();
        let long = "Ab9_".repeat(40);
        for word in all.split_inclusive(|_: char| true).chain([all.as_str(), long.as_str(), &long[..63], &long[..64], &long[..65], ""]) {
            assert_eq!(fold(word), fold_any(word));
        }
    }

    #[test]
    fn very_long_words_are_cut_alike_in_texts_and_searches() {
        let long = "x".repeat(500);
        assert!(Words::parse(&long).unwrap().found_in(&[&long]));
    }

    proptest! {
        #[test]
        fn whatever_a_text_is_it_is_found_by_its_own_words(text in any::<String>()) {
            let Some(words) = Words::parse(&text) else { return Ok(()) };
            prop_assert!(words.found_in(&[&text]));
        }

        #[test]
        fn every_beginning_of_the_last_word_finds_it(text in "[a-zA-Zà-ž ]{1,60}") {
            let Some(Words { prefix, .. }) = Words::parse(&text) else { return Ok(()) };
            for (end, _) in prefix.char_indices().skip(1) {
                prop_assert!(Words::parse(&prefix[..end]).is_some_and(|words| words.found_in(&[&text])), "{}", &prefix[..end]);
            }
        }
    }
}
