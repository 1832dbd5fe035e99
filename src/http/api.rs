//! Routes and their documentation, from one list of handlers. The documentation is made when somebody asks for it, so that
//! a desk at rest does not hold in memory what made it.

use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::{Path, openapi::OpenApi};
use utoipa_axum::{
    PathItemExt,
    router::{OpenApiRouter, UtoipaMethodRouter},
};

use crate::app::AppState;

/// The routes of a part of the API.
#[must_use]
#[derive(Default)]
pub struct Api {
    router: Router<AppState>,
    documented: Vec<fn() -> UtoipaMethodRouter<AppState>>,
}

/// The handlers of one path, which the macro `routes!` makes of their names.
pub struct Routes {
    /// The path.
    pub path: String,
    /// The handlers by method.
    pub methods: MethodRouter<AppState>,
    /// Makes their documentation.
    pub documented: fn() -> UtoipaMethodRouter<AppState>,
}

impl Api {
    /// No routes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the handlers of a path.
    pub fn routes(mut self, routes: Routes) -> Self {
        self.router = self.router.route(&routes.path, routes.methods);
        self.documented.push(routes.documented);
        self
    }

    /// Adds another part's routes.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.documented.extend(other.documented);
        self
    }

    /// The routes alone.
    pub fn into_router(self) -> Router<AppState> {
        self.router
    }

    /// Adds the documentation of all routes to what is in `base`.
    #[must_use]
    pub fn document(self, base: OpenApi) -> OpenApi {
        let documented = self.documented.into_iter().map(|make| make());
        documented.fold(OpenApiRouter::with_openapi(base), OpenApiRouter::routes).into_openapi()
    }
}

/// Adds a handler for the methods that its documentation names.
pub fn on<P: Path, H: Handler<T, AppState>, T: 'static>(methods: MethodRouter<AppState>, handler: &H) -> MethodRouter<AppState> {
    P::methods().iter().fold(methods, |methods, method| methods.on(method.to_method_filter(), handler.clone()))
}

/// The routes of the handlers of one path, for [`Api::routes`].
macro_rules! routes {
    ($first:ident $(, $further:ident)* $(,)?) => {
        utoipa_axum::paste! {
            $crate::http::api::Routes {
                path: <[<__path_ $first>] as utoipa::Path>::path(),
                methods: {
                    let methods = $crate::http::api::on::<[<__path_ $first>], _, _>(axum::routing::MethodRouter::new(), &$first);
                    $(let methods = $crate::http::api::on::<[<__path_ $further>], _, _>(methods, &$further);)*
                    methods
                },
                documented: || utoipa_axum::routes!($first $(, $further)*),
            }
        }
    };
}
pub(crate) use routes;
