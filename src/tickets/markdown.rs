//! Markdown as HTML that may be put into a page: an allow-list of tags, no HTML of the writer's own, links that give
//! nothing away, and images as links, so that opening a ticket calls nobody.

use std::{collections::HashSet, sync::LazyLock};

use ammonia::Builder;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is nested deeper than this is shown at this depth: nobody reads it, and it costs time.
const DEEPEST: usize = 24;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(tags))
        .tag_attributes([("a", HashSet::from(["href", "title"])), ("ol", HashSet::from(["start"]))].into())
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        .link_rel(Some("noopener nofollow"));
    builder
});

/// A text as HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Html {
    /// Sanitised: it may be put into a page.
    pub html: String,
}

/// The HTML of a Markdown text.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut rewriter = Rewriter::default();
    let mut dirty = String::with_capacity(markdown.len() + markdown.len() / 4);
    html::push_html(&mut dirty, parser.flat_map(|event| rewriter.rewrite(event)).flatten());
    CLEANER.clean(&dirty).to_string()
}

/// Turns the parser's events into those that are shown.
#[derive(Default)]
struct Rewriter<'a> {
    /// How deep blocks and emphases are nested.
    depth: usize,
    /// Whether the text stands in a link, in which no other may stand.
    in_link: bool,
    /// The images that the text stands in: what they show, and whether they have a description.
    images: Vec<(CowStr<'a>, bool)>,
}

/// What one event becomes: nothing, one or two.
type Shown<'a> = [Option<Event<'a>>; 2];

impl<'a> Rewriter<'a> {
    fn rewrite(&mut self, event: Event<'a>) -> Shown<'a> {
        match event {
            Event::Text(_) | Event::Code(_) => {
                if let Some((_, described)) = self.images.last_mut() {
                    *described = true;
                }
                [Some(event), None]
            }
            // What looks like HTML is text that somebody wrote about: it is shown, not obeyed.
            Event::InlineHtml(text) => [Some(Event::Text(text)), None],
            Event::Html(text) => [Some(Event::Text(text)), Some(Event::HardBreak)],
            Event::Start(Tag::HtmlBlock) => [Some(Event::Start(Tag::Paragraph)), None],
            Event::End(TagEnd::HtmlBlock) => [Some(Event::End(TagEnd::Paragraph)), None],
            // People press Enter where they want a line to end.
            Event::SoftBreak => [Some(Event::HardBreak), None],
            Event::Start(Tag::Image { dest_url, title, id, .. }) => {
                let alone = self.stands_alone();
                self.images.push((dest_url.clone(), false));
                [alone.then_some(Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, title, id })), None]
            }
            Event::End(TagEnd::Image) => self.end_image(),
            Event::Start(Tag::Link { .. }) => {
                self.in_link = true;
                [self.images.is_empty().then_some(event), None]
            }
            Event::End(TagEnd::Link) => {
                self.in_link = false;
                [self.images.is_empty().then_some(event), None]
            }
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::Emphasis | Tag::Strong | Tag::Strikethrough) => {
                self.depth += 1;
                [(self.depth <= DEEPEST).then_some(event), None]
            }
            Event::End(
                TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item | TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough,
            ) => {
                let shown = self.depth <= DEEPEST;
                self.depth = self.depth.saturating_sub(1);
                [shown.then_some(event), None]
            }
            other => [Some(other), None],
        }
    }

    /// Ends the link that an image has become. One without a description shows its address.
    fn end_image(&mut self) -> Shown<'a> {
        let Some((url, described)) = self.images.pop() else { return [None, None] };
        [(!described).then_some(Event::Text(url)), self.stands_alone().then_some(Event::End(TagEnd::Link))]
    }

    /// Whether a link may begin or end here: none is open.
    fn stands_alone(&self) -> bool {
        !self.in_link && self.images.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::emphasis("**a** _b_ ~~c~~ `d`", "<p><strong>a</strong> <em>b</em> <del>c</del> <code>d</code></p>")]
    #[case::lines("one\ntwo", "<p>one<br>\ntwo</p>")]
    #[case::link("[a](https://x.org/?q=1 \"t\")", "<p><a href=\"https://x.org/?q=1\" title=\"t\" rel=\"noopener nofollow\">a</a></p>")]
    #[case::own_path("[a](/tickets/1)", "<p><a href=\"/tickets/1\" rel=\"noopener nofollow\">a</a></p>")]
    #[case::image("![cat](http://x.org/a.png)", "<p><a href=\"http://x.org/a.png\" rel=\"noopener nofollow\">cat</a></p>")]
    #[case::bare_image("![](http://x.org/a)", "<p><a href=\"http://x.org/a\" rel=\"noopener nofollow\">http://x.org/a</a></p>")]
    #[case::image_in_link("[![cat](http://x.org/a)](http://y.org)", "<p><a href=\"http://y.org\" rel=\"noopener nofollow\">cat</a></p>")]
    #[case::bare_image_in_link(
        "[![](http://x.org/a)](http://y.org)",
        "<p><a href=\"http://y.org\" rel=\"noopener nofollow\">http://x.org/a</a></p>"
    )]
    #[case::link_in_image("![a [b](http://y.org)](http://x.org)", "<p><a href=\"http://x.org\" rel=\"noopener nofollow\">a b</a></p>")]
    #[case::html_is_text("a <b>c</b> &amp; <x>", "<p>a &lt;b&gt;c&lt;/b&gt; &amp; &lt;x&gt;</p>")]
    #[case::code("```html\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>")]
    #[case::list("3. a\n4. b", "<ol start=\"3\">\n<li>a</li>\n<li>b</li>\n</ol>")]
    fn markdown_becomes_html(#[case] markdown: &str, #[case] html: &str) {
        assert_eq!(to_html(markdown).trim_end(), html);
    }

    #[test]
    fn blocks_of_html_keep_their_lines() {
        let html = to_html("<config>\n  <a/>\n</config>");
        assert!(html.contains("&lt;config&gt;\n<br>"), "{html}");
    }

    #[test]
    fn tables_are_shown() {
        assert!(to_html("|a|b|\n|-|:-:|\n|1|2|").contains("<td>2</td>"));
    }

    /// Payloads of the usual lists, in each of the ways in which text gets into HTML.
    #[rstest]
    #[case("<script>alert(1)</script>")]
    #[case("<img src=x onerror=alert(1)>")]
    #[case("<svg/onload=alert(1)>")]
    #[case("<svg><animate onbegin=alert(1) attributeName=x></svg>")]
    #[case("<iframe srcdoc='<script>alert(1)</script>'></iframe>")]
    #[case("<a href=\"javascript:alert(1)\">x</a>")]
    #[case("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>")]
    #[case("<style>@import 'http://x.org';</style>")]
    #[case("<base href=//x.org><form action=x><input name=y><button>z</button></form>")]
    #[case("<object data=x></object><embed src=x><link rel=stylesheet href=x><meta http-equiv=refresh content=0>")]
    #[case("[a](javascript:alert(1))")]
    #[case("[a](JaVaScRiPt:alert(1))")]
    #[case("[a](&#106;avascript:alert(1))")]
    #[case("[a](java&#x0A;script:alert(1))")]
    #[case("[a](\u{1}javascript:alert(1))")]
    #[case("[a](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)")]
    #[case("[a](vbscript:msgbox(1))")]
    #[case("[a](https://x.org/\"onmouseover=\"alert(1))")]
    #[case("[a](https://x.org 'x\"onmouseover=\"alert(1)')")]
    #[case("![a](javascript:alert(1))")]
    #[case("![a\"onerror=\"alert(1)](x)")]
    #[case("![](data:image/svg+xml,<svg/onload=alert(1)>)")]
    #[case("<javascript:alert(1)>")]
    #[case("[a]\n\n[a]: javascript:alert(1)")]
    #[case("```\"onclick=alert(1)\nx\n```")]
    #[case("`</code><script>alert(1)</script>`")]
    #[case("# <script>alert(1)</script>\n\n|<img src=x onerror=alert(1)>|\n|-|\n|x|")]
    #[case("- <div onclick=alert(1)>\n> <!-- --><script>alert(1)</script>")]
    #[case("<![CDATA[<script>alert(1)</script>]]>")]
    #[case("<?xml <script>alert(1)</script>?>")]
    fn nothing_runs_and_nothing_is_fetched(#[case] payload: &str) {
        for text in [payload.to_owned(), format!("x {payload} y"), format!("> {payload}"), format!("**{payload}**")] {
            let html = to_html(&text);
            check(&html, &text);
        }
    }

    /// Every tag is one of the allowed ones, with no attribute but theirs, and links lead to harmless schemes only.
    fn check(html: &str, text: &str) {
        for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap().trim_start_matches('/')) {
            let name = tag.split(' ').next().unwrap();
            assert!(CLEANER.clone_tags().contains(name), "{name} in {html} from {text}");
            // What stands between quotes is a value; what is left are the names of the attributes.
            let (outside, inside): (Vec<_>, Vec<_>) = tag.split('"').enumerate().partition(|(i, _)| i % 2 == 0);
            for (_, names) in outside {
                let names = names.strip_prefix(name).unwrap_or(names).trim();
                assert!(["", "href=", "title=", "rel=", "start="].contains(&names), "{names} in {html} from {text}");
            }
            for (_, value) in inside {
                let value: String = value.to_lowercase().chars().filter(|c| !c.is_control() && *c != ' ').collect();
                assert!(["javascript:", "data:", "vbscript:"].iter().all(|s| !value.starts_with(s)), "{html} from {text}");
            }
        }
    }

    #[rstest]
    #[case::quotes(">".repeat(65_000))]
    #[case::lists("- ".repeat(32_000))]
    #[case::emphasis(format!("{}a{}", "*a ".repeat(10_000), "* b".repeat(10_000)))]
    #[case::brackets("[".repeat(65_000))]
    #[case::images("![".repeat(32_000))]
    #[case::links("[a](".repeat(16_000))]
    #[case::tables(format!("{}\n{}\n", "|a".repeat(8_000), "|-".repeat(8_000)))]
    fn texts_made_to_be_slow_are_not(#[case] text: String) {
        let begun = std::time::Instant::now();
        check(&to_html(&text), "it");
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}
