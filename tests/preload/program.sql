-- SPDX-License-Identifier: MIT
-- What sqlite3.sh runs.
pragma journal_mode = memory;
create table person (id integer primary key, name text, city integer, age integer);
create table city (id integer primary key, name text, zone text);
create table trip (person integer, city integer, day integer, cost real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
insert into city select i, 'city ' || i || ' ' || hex(i * 7919), 'zone ' || i % 7 from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into person select i, 'person ' || (i * 48271 % 65537), 1 + i * 31 % 200, 18 + i * 17 % 70 from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
insert into trip select 1 + i * 69621 % 20000, 1 + i * 40692 % 200, i % 365, (i * 271 % 9973) / 10.0 from n;
create index trip_person on trip (person, day);
create index person_city on person (city, age);
analyze;
.mode column
select c.zone, count(*), round(avg(p.age), 3), round(sum(t.cost), 1)
from trip t join person p on p.id = t.person join city c on c.id = t.city
group by c.zone order by c.zone;
select c.name, group_concat(distinct p.age) from person p join city c on c.id = p.city
where c.id % 40 = 0 group by c.id order by c.name;
select person, day, cost, rank() over (partition by person order by cost desc), sum(cost) over (partition by person order by day)
from trip where person between 100 and 120 order by person, day, cost;
select name, count(*) n from person group by name having n > 1 order by n desc, name limit 30;
update trip set cost = cost * 1.1 where city in (select id from city where zone = 'zone 3');
delete from trip where day % 11 = 0;
create table wide as select t.rowid r, p.name || ' in ' || c.name || ' on ' || t.day what, zeroblob(3) b
from trip t join person p on p.id = t.person join city c on c.id = t.city;
select count(*), max(length(what)), sum(length(what)) from wide;
select what from wide where what like '%9% on 3_' and r % 500 = 1 order by what desc;
with recursive fib(a, b) as (values (0, 1) union all select b, a + b from fib where b < 1000000000) select a from fib;
select json_group_array(json_object('id', id, 'name', name)) from city where id < 40;
vacuum;
pragma integrity_check;
