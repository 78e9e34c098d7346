"""The tables, as ordered steps: step n takes a database from `user_version` n to n + 1.

A step that has been released is never edited: tests hold a frozen copy of every older schema.
"""

_FIRST = """
CREATE TABLE gists (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    text_sha256 TEXT,
    model_id TEXT NOT NULL,
    model_fingerprint TEXT NOT NULL,
    tokenizer_fingerprint TEXT NOT NULL,
    adapter_fingerprint TEXT NOT NULL,
    ratio REAL NOT NULL,
    n_tokens INTEGER NOT NULL,
    n_slots INTEGER NOT NULL,
    kv_bytes INTEGER NOT NULL,
    file_bytes INTEGER NOT NULL,
    seconds REAL NOT NULL,
    tokens_per_second REAL NOT NULL,
    device TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    source_path NOT NULL,
    source_bytes INTEGER NOT NULL,
    source_mtime_ns INTEGER NOT NULL,
    source_sha256 TEXT,
    text_sha256 TEXT,
    n_chars INTEGER NOT NULL DEFAULT 0,
    n_pages INTEGER NOT NULL DEFAULT 0,
    page_label TEXT,
    n_tokens INTEGER,
    model TEXT NOT NULL,
    ratio REAL NOT NULL,
    state TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    problem_kind TEXT,
    problem_message TEXT,
    problem_hint TEXT,
    gist_id INTEGER REFERENCES gists(id),
    owner TEXT,
    queued TEXT NOT NULL,
    added TEXT NOT NULL,
    trashed TEXT
);
CREATE INDEX entries_by_state ON entries(state);
CREATE INDEX entries_by_text ON entries(text_sha256);
CREATE INDEX entries_by_gist ON entries(gist_id);
CREATE TABLE chats (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    system TEXT,
    sampling TEXT NOT NULL,
    leaf_id INTEGER,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    trashed TEXT
);
CREATE TABLE chat_entries (
    chat_id INTEGER NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
    entry_id INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (chat_id, entry_id)
) WITHOUT ROWID;
CREATE INDEX chat_entries_by_entry ON chat_entries(entry_id);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id INTEGER NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
    parent_id INTEGER,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    figures TEXT NOT NULL,
    owner TEXT,
    created TEXT NOT NULL
);
CREATE INDEX messages_by_parent ON messages(chat_id, parent_id);
CREATE INDEX messages_being_written ON messages(id) WHERE state = 'writing';
"""

# Chats are searched over their messages. A message is indexed once it is no longer being written.
_MESSAGE_SEARCH = """
CREATE VIRTUAL TABLE message_index USING fts5(
    text, content='messages', content_rowid='id', tokenize='trigram'
);
INSERT INTO message_index(rowid, text) SELECT id, text FROM messages WHERE state <> 'writing';
CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.state <> 'writing' BEGIN
    INSERT INTO message_index(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text, state ON messages BEGIN
    INSERT INTO message_index(message_index, rowid, text)
        SELECT 'delete', old.id, old.text WHERE old.state <> 'writing';
    INSERT INTO message_index(rowid, text) SELECT new.id, new.text WHERE new.state <> 'writing';
END;
CREATE TRIGGER message_deleted AFTER DELETE ON messages WHEN old.state <> 'writing' BEGIN
    INSERT INTO message_index(message_index, rowid, text) VALUES ('delete', old.id, old.text);
END;
"""

# Measurements are deleted with their gist; a list of entries reads the two numbers, not the facts behind them.
_LOOK_UP_AND_RECALL = """
ALTER TABLE chats ADD COLUMN look_up INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gists ADD COLUMN recall_n INTEGER;
ALTER TABLE gists ADD COLUMN recall_kept INTEGER;
ALTER TABLE gists ADD COLUMN recall TEXT;
"""

# How a gist was, or will be, made; "auto" is the model's default. All older ones were made by an adapter.
_METHOD = """
ALTER TABLE entries ADD COLUMN method TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE gists ADD COLUMN method TEXT NOT NULL DEFAULT 'adapter';
"""

# Pinned chats come first in the list.
_PINS = """
ALTER TABLE chats ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
"""

# A collection is its name, and exists as long as it has entries.
_COLLECTIONS = """
CREATE TABLE collection_entries (
    name TEXT NOT NULL,
    entry_id INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
    PRIMARY KEY (name, entry_id)
) WITHOUT ROWID;
CREATE INDEX collection_entries_by_entry ON collection_entries(entry_id);
"""

# The bits of a gist's stored numbers, and what its training achieved; older ones have neither.
_STORAGE_AND_AGREEMENT = """
ALTER TABLE gists ADD COLUMN kv_bits INTEGER NOT NULL DEFAULT 16;
ALTER TABLE gists ADD COLUMN agreement REAL;
ALTER TABLE gists ADD COLUMN agreement_before REAL;
"""

# What training achieved is now the share of the text that a gist recites; older gists were not trained to.
_RECITATION = """
UPDATE gists SET agreement = NULL, agreement_before = NULL;
"""

# Whatever is being made of a document, its gist stays with its text and with the model that made it. Where entries were
# being compressed with another model, one that is done may tell the name of theirs.
_WHAT_A_GIST_NEEDS = """
ALTER TABLE entries ADD COLUMN gist_model TEXT NOT NULL DEFAULT '';
ALTER TABLE entries ADD COLUMN method_of_gist TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE entries ADD COLUMN is_outdated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN read_again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN next_text TEXT;
UPDATE entries SET is_outdated = 1 WHERE state = 'outdated';
UPDATE entries SET method_of_gist = method, gist_model = model WHERE gist_id IS NOT NULL;
UPDATE entries SET gist_model = coalesce((
    SELECT done.model FROM gists AS own JOIN gists AS same USING (model_fingerprint, tokenizer_fingerprint,
        adapter_fingerprint) JOIN entries AS done ON done.gist_id = same.id
    WHERE own.id = entries.gist_id AND done.state IN ('ready', 'outdated', 'source changed') LIMIT 1
), model) WHERE gist_id IS NOT NULL AND state NOT IN ('ready', 'outdated', 'source changed');
"""

STEPS = (
    _FIRST,
    _MESSAGE_SEARCH,
    _LOOK_UP_AND_RECALL,
    _METHOD,
    _PINS,
    _COLLECTIONS,
    _STORAGE_AND_AGREEMENT,
    _RECITATION,
    _WHAT_A_GIST_NEEDS,
)
VERSION = len(STEPS)
