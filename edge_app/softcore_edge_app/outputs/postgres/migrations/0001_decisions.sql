-- The rows of the ledger, each once by line and number; docs/how-to/connect-a-database.md has the columns.
CREATE TABLE decisions (
    line text NOT NULL,
    number bigint NOT NULL,
    "trigger" text NOT NULL,
    part text NOT NULL,
    name text NOT NULL,
    camera text NOT NULL,
    category text NOT NULL,
    bundle text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('PASS', 'REVIEW', 'FAIL', 'INVALID')),
    score double precision,
    bound text,
    threshold double precision NOT NULL,
    fail_above double precision NOT NULL,
    engine text NOT NULL,
    provider text NOT NULL,
    "precision" text NOT NULL,
    triggered_at timestamptz NOT NULL,
    deadline_at timestamptz,
    decided_at timestamptz NOT NULL,
    milliseconds double precision,
    reason text,
    x double precision,
    y double precision,
    published_at timestamptz,
    corrects bigint,
    hash text NOT NULL,
    PRIMARY KEY (line, number)
);

CREATE INDEX decisions_by_time ON decisions (triggered_at, line);
CREATE INDEX decisions_by_part ON decisions (part);
CREATE INDEX decisions_corrections ON decisions (line, corrects) WHERE corrects IS NOT NULL;

-- The decisions that hold: without those that a later row corrects.
CREATE VIEW parts AS
SELECT * FROM decisions
WHERE NOT EXISTS (
    SELECT 1 FROM decisions AS later
    WHERE later.line = decisions.line AND later.corrects = decisions.number
);
