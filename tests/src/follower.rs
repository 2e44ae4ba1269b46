//! A follower of a worker's log.

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::wait;

/// An open `logs?follow=true`.
#[derive(Debug)]
pub struct Follower {
    response: Response,
    unread: Vec<u8>,
}

impl Follower {
    /// Opens the stream.
    ///
    /// # Panics
    /// If the server does not answer 200.
    pub async fn open(request: RequestBuilder) -> Self {
        let response = wait::patiently("the head of the log stream", request.send()).await;
        let response = response.expect("the server answers");
        assert_eq!(response.status(), 200);
        Self { response, unread: Vec::new() }
    }

    /// Returns the content type of the stream.
    pub fn content_type(&self) -> String {
        let value = self.response.headers().get("content-type");
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Waits for the next line; nothing when the stream has ended or the connection broke.
    pub async fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let chunk = wait::patiently("more of the log", self.response.chunk()).await;
            self.unread.extend_from_slice(&chunk.ok().flatten()?);
        }
    }

    /// Waits for the next record; nothing when the stream has ended or the connection broke.
    ///
    /// # Panics
    /// If a line is no JSON.
    pub async fn next_record(&mut self) -> Option<Value> {
        let line = self.next_line().await?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// Waits for this many messages.
    ///
    /// # Panics
    /// If the stream ends before.
    pub async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::with_capacity(count);
        while messages.len() < count {
            let record = self.next_record().await.expect("the stream goes on");
            messages.push(crate::worker::message(&record));
        }
        messages
    }
}
