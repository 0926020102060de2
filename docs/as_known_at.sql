-- What was known at a moment, from tables that are written with *Append*: there each record that is new or changed is a
-- row of its own, with the time at which it was read. These views say for each row until when it was the latest one of
-- its key. Runs on DuckDB and PostgreSQL. The prices as they were known at the end of June:
--
--     select * from stock_prices_known
--     where known_from <= timestamp '2026-06-30 23:59:59'
--       and (known_until > timestamp '2026-06-30 23:59:59' or known_until is null)
--
-- With `known_until is null` alone they are the table of today. An event that was cancelled by then is left out with
-- `cancelled is not true`.
create or replace view stock_prices_known as
select
    *,
    _airbyte_extracted_at as known_from,
    lead(_airbyte_extracted_at) over (
        partition by stock_ticker, date order by _airbyte_extracted_at
    ) as known_until
from stock_prices;

create or replace view stock_splits_known as
select
    *,
    _airbyte_extracted_at as known_from,
    lead(_airbyte_extracted_at) over (
        partition by stock_ticker, date order by _airbyte_extracted_at
    ) as known_until
from stock_splits;

create or replace view dividends_known as
select
    *,
    _airbyte_extracted_at as known_from,
    lead(_airbyte_extracted_at) over (
        partition by stock_ticker, date, kind order by _airbyte_extracted_at
    ) as known_until
from dividends;
