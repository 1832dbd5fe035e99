//! What every store must do: the sentences of the contract in `taquilla::store`, one test or more for each, called once
//! for every store. The naive model is one of them, so that a test which asks for the wrong thing shows.

/// Makes each of the named tests a case for every store. A further store is one more line here, and one in `site.rs`.
macro_rules! on_every_store {
    ($($test:ident),* $(,)?) => {
        on_store!(on_model, model, $($test),*);
        on_store!(on_sled, sled, $($test),*);
        on_store!(on_postgres, postgres, $($test),*);
    };
}

/// Makes each of the named tests a case for one store.
macro_rules! on_store {
    ($module:ident, $store:ident, $($test:ident),*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::store::site::Site::$store().await).await;
                }
            )*
        }
    };
}

mod additions;
mod analytics;
mod arbitrary;
mod ask;
mod build;
mod chain;
mod commit;
mod draft;
mod flips;
mod lists;
mod meters;
mod model;
mod model_figures;
mod moving;
pub mod mutant;
mod of_postgres;
mod openings;
mod outbox;
mod pages_again;
mod portable;
mod queries;
mod races;
mod random;
mod reopen;
mod search;
mod search_index;
mod seen;
mod site;
mod steps;
mod still;
mod unique;
