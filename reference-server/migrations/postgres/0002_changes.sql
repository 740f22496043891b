-- What was changed lately, for the other servers of this database. A higher seq may be seen before a lower one, whose
-- transaction ends later; xid, the number of the transaction, is what tells a reader how far nothing more can come.
CREATE TABLE changes (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    path TEXT COLLATE "C" NOT NULL,
    listed BOOLEAN NOT NULL, -- whether a list of resources shows the change
    origin TEXT NOT NULL, -- the server that made it
    at BIGINT NOT NULL -- milliseconds since 1970
);

CREATE INDEX changes_xid ON changes (xid);
