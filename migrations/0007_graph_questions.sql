-- Who reads the graph asks for the open pull requests of a repository, newest first, of which there are few among many.
create index graph_pull_requests_open on graph_pull_requests (repo_id, number) where state = 'open';
