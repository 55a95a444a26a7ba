-- Whether anybody still has a repository connected, and who had, is asked with each webhook of it: by every row of a
-- repository, where the index of before had the active ones alone.

create index installations_repo_id on installations (repo_id);
drop index installations_repo;
