//! `ministate generate`: the man page and the completions, from the words of the help.

use clap::CommandFactory;

use crate::Ending;
use crate::arguments::{Arguments, Generate};
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn told(what: &Generate, output: &mut Output) -> Result<Ending, Failure> {
    let mut text = Vec::new();
    match what {
        Generate::Man => man(&mut text)?,
        Generate::Completions { shell } => {
            clap_complete::generate(*shell, &mut Arguments::command(), "ministate", &mut text);
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    output.line(format_args!("{}", text.trim_end()))?;
    Ok(Ending::Well)
}

/// One page for the command and all of its commands.
fn man(text: &mut Vec<u8>) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    let page = clap_mangen::Man::new(command.clone());
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    page.render_options_section(text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let page = clap_mangen::Man::new(sub.clone());
        let name = sub.get_name().to_uppercase();
        text.extend_from_slice(format!(".SH \"MINISTATE {name}\"\n").as_bytes());
        let mut section = Vec::new();
        page.render_synopsis_section(&mut section)?;
        page.render_description_section(&mut section)?;
        page.render_options_section(&mut section)?;
        page.render_extra_section(&mut section)?;
        // Sections of a page become parts of a section.
        text.extend_from_slice(renamed(&section, "JSON").replace(".SH ", ".SS ").as_bytes());
    }
    let mut codes = Vec::new();
    page.render_extra_section(&mut codes)?;
    text.extend_from_slice(renamed(&codes, "\"EXIT STATUS\"").as_bytes());
    page.render_version_section(text)?;
    Ok(())
}

/// The section with what comes behind the help, under a name that says what it is.
fn renamed(section: &[u8], name: &str) -> String {
    String::from_utf8_lossy(section).replace(".SH EXTRA", &format!(".SH {name}"))
}
