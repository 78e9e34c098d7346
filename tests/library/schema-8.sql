-- The library's database at version 8, with a little of everything in it. Frozen: never edit it.
PRAGMA user_version = 8;
CREATE TABLE chat_entries (
    chat_id INTEGER NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
    entry_id INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (chat_id, entry_id)
) WITHOUT ROWID;
INSERT INTO "chat_entries" VALUES(1,1,0);
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
INSERT INTO "chats" VALUES(1,'Rent','Be brief.','{"temperature": 0.5}',3,'2026-01-01T00:00:00.000+00:00','2026-01-01T00:00:01.000+00:00',NULL);
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
INSERT INTO "entries" VALUES(1,'임대차 계약','/home/u/계약.pdf',12345,1700000000000000000,'ffff','aaaa',900,2,'page',400,'starter',100.0,'ready',2,2,NULL,NULL,NULL,1,NULL,'2026-01-01T00:00:00.000+00:00','2026-01-01T00:00:00.000+00:00',NULL);
INSERT INTO "entries" VALUES(2,'Scan','/home/u/scan.pdf',99,0,NULL,NULL,0,0,NULL,NULL,'starter',50.0,'failed',0,0,'user','It holds no text.','Choose another.',NULL,NULL,'2026-01-02T00:00:00.000+00:00','2026-01-02T00:00:00.000+00:00','2026-01-03T00:00:00.000+00:00');
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
INSERT INTO "gists" VALUES(1,'5ca1ab1e','aaaa','starter','m1','t1','a1',100.0,400,4,4096,4,1.5,266.0,'cpu','2026-01-01T00:00:00.000+00:00');
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
INSERT INTO "messages" VALUES(1,1,NULL,'user','월세는 얼마입니까?','complete','gist','{}',NULL,'2026-01-01T00:00:00.000+00:00');
INSERT INTO "messages" VALUES(2,1,1,'assistant','900 euros','complete','gist','{"ttft_s": 0.1}',NULL,'2026-01-01T00:00:00.000+00:00');
INSERT INTO "messages" VALUES(3,1,1,'assistant','950 euros','writing','gist','{}','7-dead','2026-01-01T00:00:01.000+00:00');
CREATE INDEX entries_by_state ON entries(state);
CREATE INDEX entries_by_text ON entries(text_sha256);
CREATE INDEX entries_by_gist ON entries(gist_id);
CREATE INDEX chat_entries_by_entry ON chat_entries(entry_id);
CREATE INDEX messages_by_parent ON messages(chat_id, parent_id);
CREATE INDEX messages_being_written ON messages(id) WHERE state = 'writing';
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
ALTER TABLE chats ADD COLUMN look_up INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gists ADD COLUMN recall_n INTEGER;
ALTER TABLE gists ADD COLUMN recall_kept INTEGER;
ALTER TABLE gists ADD COLUMN recall TEXT;
ALTER TABLE entries ADD COLUMN method TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE gists ADD COLUMN method TEXT NOT NULL DEFAULT 'adapter';
ALTER TABLE chats ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
CREATE TABLE collection_entries (
    name TEXT NOT NULL,
    entry_id INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
    PRIMARY KEY (name, entry_id)
) WITHOUT ROWID;
CREATE INDEX collection_entries_by_entry ON collection_entries(entry_id);
INSERT INTO "collection_entries" VALUES('Flat',1);
ALTER TABLE gists ADD COLUMN kv_bits INTEGER NOT NULL DEFAULT 16;
ALTER TABLE gists ADD COLUMN agreement REAL;
ALTER TABLE gists ADD COLUMN agreement_before REAL;
UPDATE gists SET agreement = NULL, agreement_before = NULL;
