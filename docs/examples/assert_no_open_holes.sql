-- A dbt test: put it into the folder tests/ of your project, and name the source of your tables. It fails with each
-- session of the last month that a ticker has no bar for, and that the provider no longer delivers by itself.
-- docs/alerts.sql has the same as a view, and two more to make tests of.
select
    hole.stock_ticker,
    hole.date,
    max(hole.found_at) as last_told
from {{ source('market', 'findings') }} as hole
where hole.kind = 'missing session'
    and hole.date > current_date - {{ var('days', 30) }}
    and not exists (
        select 1 from {{ source('market', 'stock_prices') }} as bar
        where bar.stock_ticker = hole.stock_ticker and bar.date = hole.date
    )
group by hole.stock_ticker, hole.date
