#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let f = std::env::args().nth(1).unwrap();
    let source = doorward::config::Source {
        file: Some(f.into()),
        flags: doorward::config::Flags::default(),
        mode: doorward::config::Mode::Serve,
    };
    let config = doorward::config::Config::load(&source).unwrap();
    doorward::pipeline::observe::logs::init(&config.observe.log).unwrap();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(doorward::server::serve(&source, config))
        .unwrap();
}
