//! The binary: hands its command line to the library and gives back the exit code.

fn main() -> std::process::ExitCode {
    taquilla::cli::main()
}
