//! The parts of a page of Markdown that are typed in.

/// Before a block that is not tried, with the reason behind it.
const MARK: &str = "<!-- not tried by the tests: ";

/// What commands of the page begin with. Before the first of them a block may define what they are.
const COMMANDS: [&str; 3] = ["call ", "mcp ", "doorward-reference-server "];

/// A fenced block.
pub(super) struct Block<'a> {
    pub(super) language: &'a str,
    pub(super) text: String,
    /// Why it is not tried.
    pub(super) untried: Option<&'a str>,
}

/// A command, and what its answer has in it.
pub(super) struct Command {
    pub(super) text: String,
    pub(super) promised: Option<String>,
}

/// The blocks of commands and rules, in order. Others (`toml`, …) are left out.
pub(super) fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut lines, mut before) = (vec![], page.lines(), "");
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before = if line.is_empty() { before } else { line };
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let untried = before.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(" -->"));
        before = "";
        if matches!(language, "sh" | "cedar") {
            blocks.push(Block { language, text: text.join("\n"), untried });
        }
    }
    blocks
}

impl Block<'_> {
    /// The text without the line that builds the programs.
    pub(super) fn without_installing(&self) -> String {
        let lines = self.text.lines().filter(|line| !line.starts_with("cargo build "));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What stands before the first command, and the commands. One may have several lines.
    pub(super) fn commands(&self) -> (&str, Vec<Command>) {
        let begins = |line: &str| COMMANDS.iter().any(|command| line.starts_with(command));
        let mut starts: Vec<usize> = vec![];
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            if begins(line) {
                starts.push(at);
            }
            at += line.len();
        }
        let before = &self.text[..starts.first().copied().unwrap_or(at)];
        let ends = starts.iter().skip(1).copied().chain([at]);
        let commands = starts.iter().zip(ends).map(|(&start, end)| command(self.text[start..end].trim_end()));
        (before, commands.collect())
    }
}

/// A comment is at the end of the last line.
fn command(text: &str) -> Command {
    let start = text.rfind('\n').map_or(0, |end| end + 1);
    let promised = text[start..].rsplit_once(" # ").map(|(_, promised)| promised.to_owned());
    Command { text: text.to_owned(), promised }
}
