//! Who uses which page of the cache, and which pages hold the beginning of some prompt.

use std::collections::BTreeMap;

/// A beginning of a prompt, in whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// Before any token, for prompts of this salt's digest, or of none.
    Root(Option<[u8; 32]>),
    /// A number that stands for all its tokens and its salt.
    Page(u64),
}

/// What is before a page, and what is in it.
type Key = (Node, Box<[u32]>);

/// The pages.
#[derive(Debug)]
pub struct Pages {
    states: Vec<Page>,
    free: Vec<u32>,
    /// Pages by what is before them and what is in them. Whole tokens are compared, so no two prompts can be taken for one another.
    known: BTreeMap<Key, (u32, Node)>,
    /// Known pages that nobody uses, the longest unused first.
    unused: BTreeMap<u64, u32>,
    /// The last number given to a node or to a moment.
    last: u64,
}

#[derive(Debug, Default)]
struct Page {
    users: u32,
    /// Its key in `known`.
    key: Option<Key>,
    /// Its key in `unused`.
    since: Option<u64>,
}

impl Pages {
    /// So many, all free.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let states = (0..count).map(|_| Page::default()).collect();
        let free = (0..count as u32).rev().collect();
        Self { states, free, known: BTreeMap::new(), unused: BTreeMap::new(), last: 0 }
    }

    /// Pages that can be taken: free ones, and known ones that nobody uses.
    #[must_use]
    pub fn available(&self) -> usize {
        self.free.len() + self.unused.len()
    }

    /// A page for one user; a known one is forgotten for it if it must be.
    pub fn take(&mut self) -> Option<u32> {
        let page = match self.free.pop() {
            Some(page) => page,
            None => {
                let (_, page) = self.unused.pop_first()?;
                let state = &mut self.states[page as usize];
                state.since = None;
                if let Some(key) = state.key.take() {
                    self.known.remove(&key);
                }
                page
            }
        };
        self.states[page as usize].users = 1;
        Some(page)
    }

    /// The page that holds `tokens` after `before`.
    #[must_use]
    pub fn find(&self, before: Node, tokens: &[u32]) -> Option<(u32, Node)> {
        self.known.get(&(before, tokens.into())).copied()
    }

    /// One more user of a page.
    pub fn share(&mut self, page: u32) {
        let state = &mut self.states[page as usize];
        state.users += 1;
        if let Some(since) = state.since.take() {
            self.unused.remove(&since);
        }
    }

    /// One user less. An unknown page that nobody uses is free.
    pub fn release(&mut self, page: u32) {
        let state = &mut self.states[page as usize];
        state.users -= 1;
        if state.users > 0 {
            return;
        }
        if state.key.is_some() {
            self.last += 1;
            state.since = Some(self.last);
            self.unused.insert(self.last, page);
        } else {
            self.free.push(page);
        }
    }

    /// Makes a full page known, unless another page holds the same. Answers what stands for everything up to its end.
    pub fn register(&mut self, page: u32, before: Node, tokens: &[u32]) -> Node {
        let key = (before, Box::from(tokens));
        if let Some((_, node)) = self.known.get(&key) {
            return *node;
        }
        self.last += 1;
        let node = Node::Page(self.last);
        self.states[page as usize].key = Some(key.clone());
        self.known.insert(key, (page, node));
        node
    }
}
