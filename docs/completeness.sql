-- For each ticker how complete its history is. Runs on DuckDB and PostgreSQL, on tables written with *Append* as well.
--
-- A session is due if the ticker's exchange was open: the connector knows its calendar, and writes each session that has
-- no bar into `findings`. So this is true since the first sync that read the stream `findings`; what was missed before
-- is not counted. Where a ticker's exchange has no calendar, a gap counts as one session if it is longer than any exchange
-- is closed. With `*` nothing is counted: nobody says which sessions a ticker of the whole market should have.
create or replace view completeness as
with bars as (
    select
        stock_ticker,
        count(distinct date) as sessions_there,
        min(date) as first_session,
        max(date) as last_session
    from stock_prices
    group by stock_ticker
),

holes as (
    select hole.stock_ticker, count(distinct hole.date) as sessions_missing
    from findings as hole
    where hole.kind = 'missing session'
        and not exists (
            select 1 from stock_prices as bar
            where bar.stock_ticker = hole.stock_ticker and bar.date = hole.date
        )
    group by hole.stock_ticker
)

select
    bars.stock_ticker,
    bars.sessions_there + coalesce(holes.sessions_missing, 0) as sessions_due,
    bars.sessions_there,
    coalesce(holes.sessions_missing, 0) as sessions_missing,
    bars.first_session,
    bars.last_session,
    1.0 * bars.sessions_there / (bars.sessions_there + coalesce(holes.sessions_missing, 0)) as complete
from bars
left join holes on holes.stock_ticker = bars.stock_ticker;
