-- Adjusts raw prices for splits and dividends, so that they are comparable across both. Runs on DuckDB and PostgreSQL.
--
-- An event takes effect in the first session on or after its ex-date. A split divides all earlier prices by its ratio.
-- A dividend lowers all earlier prices by its share of the last close before it. Announced events whose session has not
-- happened yet are ignored. Dividends must be in the currency of the prices.
--
-- Before a dividend that is not below the last close (a liquidation, another currency, a wrong row), the price adjusted
-- for all is null. Rows that are adjusted already are never adjusted again: their close is repeated in its own column.
with sessions as (
    select
        *,
        lag(close) over past as close_before,
        lag(date) over past as date_before
    from stock_prices
    where adjustment = 'raw'
    window past as (partition by stock_ticker order by date)
),

-- Cancelled events are left out. Where a table was written before it had that column, this one stands in for it.
without_column as (
    select false as cancelled
),

events as (
    select e.*
    from without_column, lateral (
        select stock_ticker, date, ratio, 0 as amount
        from stock_splits
        where cancelled is not true and ratio > 0 and ratio < 1e9
    ) as e
    union all
    select e.*
    from without_column, lateral (
        select stock_ticker, date, 1 as ratio, amount
        from dividends
        where cancelled is not true and amount > 0 and amount < 1e9
    ) as e
),

effects as (
    select
        p.stock_ticker,
        p.date,
        p.close,
        p.volume,
        p.close_before,
        coalesce(exp(sum(ln(e.ratio))), 1) as ratio,
        coalesce(sum(e.amount) * exp(sum(ln(e.ratio))), 0) as amount
    from sessions as p
    left join events as e
        on e.stock_ticker = p.stock_ticker and e.date > p.date_before and e.date <= p.date
    group by p.stock_ticker, p.date, p.close, p.volume, p.close_before
),

steps as (
    select
        *,
        case
            when amount = 0 then 1
            when amount < close_before then 1 - amount / close_before
        end as kept
    from effects
),

factors as (
    select
        *,
        coalesce(exp(sum(ln(ratio)) over later), 1) as later_splits,
        coalesce(exp(sum(ln(kept)) over later), 1) as later_dividends,
        count(*) over later - count(kept) over later as unusable_dividends
    from steps
    window later as (
        partition by stock_ticker order by date
        rows between 1 following and unbounded following
    )
)

select
    stock_ticker,
    date,
    close,
    close / later_splits as close_adjusted_for_splits,
    case when unusable_dividends = 0 then close / later_splits * later_dividends end as close_adjusted_for_all,
    volume * later_splits as volume_adjusted_for_splits
from factors
union all
select
    stock_ticker,
    date,
    close,
    case when adjustment = 'splits' then close end as close_adjusted_for_splits,
    case when adjustment = 'all' then close end as close_adjusted_for_all,
    volume as volume_adjusted_for_splits
from stock_prices
where adjustment <> 'raw'
order by stock_ticker, date
