-- Shows what was known at a moment, from tables that are written with *Append*: in them each record that was new or
-- changed is a row of its own, with the time at which it was read. These views add until when a row was the latest of
-- its key. Runs on DuckDB and PostgreSQL. The prices as they were known at the end of June:
--
--     select * from stock_prices_known
--     where known_from <= timestamp '2026-06-30 23:59:59'
--       and (known_until > timestamp '2026-06-30 23:59:59' or known_until is null)
--
-- For the table as it is now, select only `known_until is null`. To leave out events that were cancelled by then, add
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
