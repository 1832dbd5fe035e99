//! The property test: any history of commits, good and bad, questions and stops gives the same answers, results and errors
//! alike, as the naive model. And it would notice: planted faults are found.

use std::{collections::HashMap, fmt::Debug};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, TestCaseError, TestRunner},
};
use taquilla::{
    store::{Addition, Changes, Committed, Expect, IdKind, Row, Store, StoreError, Write},
    tickets::{
        query::{Scope, TicketQuery},
        search::{Words, terms},
    },
    users::model::UserQuery,
};

use super::{
    arbitrary::{EMAILS, USERS},
    ask::{Question, about, ask, everything},
    build,
    draft::decide,
    model::{Model, State, id_of},
    mutant::Fault,
    site::Site,
    steps::{Act, Step, history},
};

on_every_store!(any_history_gives_the_same_answers_as_the_model, every_planted_fault_is_found);
on_store!(on_quiet_postgres, quiet, any_history_gives_the_same_answers_as_the_model);

/// How long the histories are.
const LENGTH: usize = 60;
/// In how many a planted fault must be found.
const CASES: u32 = 64;

/// `PROPTEST_CASES` may say how many histories are tried.
fn config(site: &Site) -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(site.histories());
    Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() }
}

async fn any_history_gives_the_same_answers_as_the_model(site: Site) {
    let tried = tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Handle::current();
        TestRunner::new(config(&site)).run(&history(LENGTH), |steps| {
            runtime.block_on(async { play(&mut site.fresh().await, &steps).await }).map_err(TestCaseError::fail)
        })
    });
    if let Err(found) = tried {
        panic!("{found}");
    }
}

async fn every_planted_fault_is_found(site: Site) {
    let mut runner = TestRunner::new(config(&site));
    for fault in Fault::ALL {
        let mut found = None;
        for case in 0..CASES {
            let steps = history(LENGTH).new_tree(&mut runner).expect("a history").current();
            if play(&mut site.faulty(fault).await, &steps).await.is_err() {
                found = Some(case);
                break;
            }
        }
        assert!(found.is_some(), "{fault:?} was not found in {CASES} histories");
    }
}

/// A store and the model that it is compared with.
struct Pair<'a> {
    site: &'a mut Site,
    model: Model,
    last_ids: HashMap<IdKind, i64>,
}

/// Plays a history on a store and on the model; tells the first difference.
async fn play(site: &mut Site, steps: &[Step]) -> Result<(), String> {
    let mut pair = Pair { site, model: Model::default(), last_ids: HashMap::new() };
    pair.begin().await?;
    for (at, step) in steps.iter().enumerate() {
        pair.step(step).await.map_err(|difference| format!("at step {at}: {difference}"))?;
    }
    pair.compare(everything(&pair.model.state())).await
}

impl Pair<'_> {
    async fn begin(&mut self) -> Result<(), String> {
        for (id, email) in (1..=USERS).zip(EMAILS) {
            let reserved = self.site.reserve(IdKind::User).await.map_err(|error| error.to_string())?;
            same("the first ids", &reserved, &id)?;
            self.commit(Changes::new().insert(build::user(id, email))).await?;
        }
        let session = self.site.reserve(IdKind::Session).await.map_err(|error| error.to_string())?;
        let token = self.site.reserve(IdKind::Token).await.map_err(|error| error.to_string())?;
        self.commit(Changes::new().insert(build::session(session, 1, 40)).insert(build::token(token, 1))).await
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Commit(acts) => {
                let changes = self.decide(acts).await?;
                self.commit(changes).await
            }
            Step::Together(commits) => {
                let mut together = Vec::new();
                for acts in commits {
                    together.push(self.decide(acts).await?);
                }
                self.commit_together(together).await
            }
            Step::Tickets(query, limit) => self.compare([Question::Tickets { query: query.clone(), limit: *limit }]).await,
            Step::Users(query, limit) => self.compare([Question::Users { query: query.clone(), limit: *limit }]).await,
            Step::Settle => {
                self.site.settle().await.map_err(|error| error.to_string())?;
                self.compare(everything(&self.model.state())).await
            }
            Step::Reopen => {
                self.site.reopen().await;
                self.compare(everything(&self.model.state())).await
            }
            Step::Crash => {
                self.site.crash().await;
                self.compare(everything(&self.model.state())).await
            }
        }
    }

    async fn decide(&mut self, acts: &[Act]) -> Result<Changes, String> {
        let changes = decide(&**self.site, &self.model.state(), acts).await.map_err(|error| error.to_string())?;
        for write in &changes.writes {
            if let Write::Put(row, Expect::New) = write
                && let Some((kind, id)) = id_of(row)
                && !self.model.state().keys().contains(&row.key())
            {
                let last = self.last_ids.insert(kind, id).unwrap_or(0);
                if id <= last {
                    return Err(format!("{kind:?} {id} was issued after {last}"));
                }
            }
        }
        Ok(changes)
    }

    async fn commit(&mut self, changes: Changes) -> Result<(), String> {
        let before = self.model.state();
        let outcome = self.site.commit(changes.clone()).await;
        let expected = self.model.apply(&changes);
        agree(&outcome, &expected).map_err(|difference| format!("{difference}\nof {changes:#?}"))?;
        self.compare(consequences(&before, &changes)).await
    }

    /// Makes commits at once: some order of them, one by one, must explain all outcomes and what is stored afterwards.
    async fn commit_together(&mut self, commits: Vec<Changes>) -> Result<(), String> {
        let before = self.model.state();
        let tasks: Vec<_> = commits
            .iter()
            .cloned()
            .map(|changes| {
                let store = self.site.shared();
                tokio::spawn(async move { store.commit(changes).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.map_err(|error| error.to_string())?);
        }
        let questions: Vec<Question> = commits.iter().flat_map(|changes| consequences(&before, changes)).collect();
        let mut differences = Vec::new();
        for order in orders(commits.len()) {
            let mut state = before.clone();
            let explained = order.iter().try_for_each(|&i| agree(&outcomes[i], &state.apply(&commits[i])));
            let model = Model::of(state);
            let explained = match explained {
                Ok(()) => compare(&**self.site, &model, &questions).await,
                refuted => refuted,
            };
            match explained {
                Ok(()) => {
                    self.model = model;
                    return Ok(());
                }
                Err(difference) => differences.push(difference),
            }
        }
        Err(format!("no order explains {outcomes:?}\nof {commits:#?}\n{differences:#?}"))
    }

    async fn compare(&self, questions: impl IntoIterator<Item = Question>) -> Result<(), String> {
        compare(&**self.site, &self.model, &questions.into_iter().collect::<Vec<_>>()).await
    }
}

async fn compare(store: &dyn Store, model: &Model, questions: &[Question]) -> Result<(), String> {
    for question in questions {
        let (answer, expected) = (ask(store, question).await, ask(model, question).await);
        same(&format!("{question:?}"), &answer, &expected)?;
    }
    Ok(())
}

fn same<T: Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}\nthe store: {found:#?}\nthe model: {expected:#?}")) }
}

/// A refusal may name any of the reasons that there are.
fn agree(outcome: &Result<Committed, StoreError>, expected: &Result<Committed, Vec<StoreError>>) -> Result<(), String> {
    match (outcome, expected) {
        (Ok(found), Ok(expected)) => same("a commit", found, expected),
        (Err(reason), Err(reasons)) if reasons.contains(reason) => Ok(()),
        _ => Err(format!("a commit gave {outcome:?} instead of {expected:?}")),
    }
}

/// What to ask after a commit: the rows that it was about, the default lists, and searches for words that came or went.
fn consequences(before: &State, changes: &Changes) -> Vec<Question> {
    let mut questions = vec![
        Question::DurableSeq,
        Question::Entries { ticket: None, internal: true, backwards: true, limit: 50 },
        Question::Users { query: UserQuery::default(), limit: 50 },
    ];
    let list = |scope, words| Question::Tickets { query: Box::new(TicketQuery { words, ..TicketQuery::all(scope) }), limit: 7 };
    questions.push(list(Scope::All, None));
    questions.extend(changes.additions.iter().map(|addition| match *addition {
        Addition::Comments { ticket, .. } => Question::Ticket(ticket),
        Addition::SessionUsed(id, _) => Question::Session(id),
        Addition::TokenUsed(id, _) => Question::ApiTokenById(id),
    }));
    for write in &changes.writes {
        let Write::Put(row, _) = write else { continue };
        questions.extend(about(row));
        let (ticket, texts) = match row.as_ref() {
            Row::Ticket(ticket) => (ticket.id, vec![ticket.title.clone()]),
            Row::Comment(comment) => {
                let old = before.comments().into_iter().filter(|c| c.id == comment.id).map(|c| c.content.clone());
                (comment.ticket_id, old.chain([comment.content.clone()]).collect())
            }
            _ => continue,
        };
        let creator = before.tickets().into_iter().find(|t| t.id == ticket).map(|t| Scope::Requester(t.creator_id));
        for word in texts.iter().flat_map(|text| terms(text).take(2)) {
            let words = Words::parse(&word);
            questions.extend([Some(Scope::All), creator].into_iter().flatten().map(|scope| list(scope, words.clone())));
        }
    }
    questions
}

/// Every order of the numbers below `n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..n).map(move |at| {
            let mut order = shorter.clone();
            order.insert(at, n - 1);
            order
        })
    };
    orders(n - 1).into_iter().flat_map(insert).collect()
}
