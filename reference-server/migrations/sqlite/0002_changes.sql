-- What was changed lately, for the other servers of this file. Each looks for what is behind the last seq that it saw.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    listed INTEGER NOT NULL CHECK (listed IN (0, 1)), -- whether a list of resources shows the change
    origin TEXT NOT NULL, -- the server that made it
    at INTEGER NOT NULL -- milliseconds since 1970
) STRICT;
