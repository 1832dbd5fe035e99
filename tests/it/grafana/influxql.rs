//! Which names a query in InfluxQL uses, and for what.

/// A piece of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// `"name"`.
    Name(String),
    /// `'text'`.
    Text(String),
    /// `/pattern/`.
    Pattern(String),
    /// A keyword, a function, a number or a variable of Grafana.
    Word(String),
    /// Anything else, one character each; `=~` is one.
    Sign(&'static str),
}

const SIGNS: [&str; 12] = ["=~", "!=", ">=", "<=", "=", ">", "<", "(", ")", ",", "-", "*"];

/// Cuts a query into its pieces.
pub fn tokens(query: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' => quoted(rest, '"', Token::Name),
            '\'' => quoted(rest, '\'', Token::Text),
            '/' => quoted(rest, '/', Token::Pattern),
            _ => sign(rest).unwrap_or_else(|| word(rest)),
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    found
}

fn sign(rest: &str) -> Option<(Token, usize)> {
    SIGNS.into_iter().find(|sign| rest.starts_with(sign)).map(|sign| (Token::Sign(sign), sign.len()))
}

fn word(rest: &str) -> (Token, usize) {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | ':');
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    assert!(length > 0, "{rest} begins with nothing known");
    (Token::Word(rest[..length].to_owned()), length)
}

fn quoted(rest: &str, mark: char, token: fn(String) -> Token) -> (Token, usize) {
    let end = rest[1..].find(mark).unwrap_or_else(|| panic!("no end of {rest}")) + 1;
    (token(rest[1..end].to_owned()), end + 1)
}

/// What a query uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// After `FROM`.
    pub measurements: Vec<String>,
    /// After `AS`.
    pub aliases: Vec<String>,
    /// Arguments of functions.
    pub arguments: Vec<String>,
    /// After `GROUP BY`, of the outermost query last.
    pub groups: Vec<String>,
    /// Compared with something: the name, the sign, what it is compared with.
    pub conditions: Vec<(String, &'static str, Token)>,
    /// Keywords, functions and variables.
    pub words: Vec<String>,
}

/// Reads a query.
pub fn used(query: &str) -> Used {
    let tokens = tokens(query);
    let mut used = Used::default();
    let mut keyword = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        match token {
            Token::Word(word) => {
                if ["SELECT", "FROM", "WHERE", "BY", "AS"].contains(&word.as_str()) {
                    keyword.clone_from(word);
                }
                used.words.push(word.clone());
            }
            Token::Name(name) => match (keyword.as_str(), tokens.get(at + 1)) {
                ("FROM", _) => used.measurements.push(name.clone()),
                ("AS", _) => used.aliases.push(name.clone()),
                ("BY", _) => used.groups.push(name.clone()),
                ("SELECT", _) if before == Some(&Token::Sign("(")) => used.arguments.push(name.clone()),
                ("WHERE", Some(Token::Sign(sign))) => used.conditions.push((name.clone(), sign, tokens[at + 2].clone())),
                _ => panic!("{name} has no place in {query}"),
            },
            _ => {}
        }
    }
    used
}

#[test]
fn names_are_told_by_their_places() {
    let query = r#"SELECT sum("n") FROM (SELECT last("count") AS "n" FROM "m" WHERE $timeFilter AND "a" = 'x' AND "b" =~ /^$b$/ GROUP BY time($__interval), "a" fill(none)) WHERE $timeFilter GROUP BY "b""#;
    let told = used(query);
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (told.measurements, told.aliases, told.arguments, told.groups),
        (names(&["m"]), names(&["n"]), names(&["n", "count"]), names(&["a", "b"]))
    );
    let conditions = [("a".to_owned(), "=", Token::Text("x".to_owned())), ("b".to_owned(), "=~", Token::Pattern("^$b$".to_owned()))];
    assert_eq!(told.conditions, conditions);
    assert!(told.words.contains(&"fill".to_owned()) && told.words.contains(&"$__interval".to_owned()));
}
