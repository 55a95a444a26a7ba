-- The dependencies of a profile as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/), for
-- GET …/profile?format=cyclonedx. A component is a package in one version, told by its purl; what several manifests
-- ask for is one component with several occurrences.

-- The part of a name that CycloneDX calls the group: Maven's group, npm's scope, Composer's vendor; else null.
create function cyclonedx_group(ecosystem text, name text) returns text language sql immutable
  as $$ select case when ecosystem = 'maven' and name like '%:%' then split_part(name, ':', 1)
        when ecosystem = 'npm' and name like '@%/%' or ecosystem = 'composer' and name like '%/%'
        then split_part(name, '/', 1) end $$;

-- "excluded" is what the repository needs to be worked on and not to run.
create function cyclonedx_component(purl text, dependencies jsonb) returns jsonb language sql immutable
  as $$ with one as (select dependencies -> 0 as d, cyclonedx_group(dependencies -> 0 ->> 'ecosystem', dependencies -> 0 ->> 'name') as g)
        select jsonb_strip_nulls(jsonb_build_object(
          'type', case when d ->> 'ecosystem' = 'docker' then 'container' else 'library' end,
          'bom-ref', purl, 'group', g,
          'name', case when g is null then d ->> 'name' else substr(d ->> 'name', length(g) + 2) end,
          'version', d ->> 'version', 'purl', purl,
          'scope', case when bool_or(u ->> 'kind' in ('runtime', 'peer')) then 'required'
                   when bool_or(u ->> 'kind' = 'optional') then 'optional' else 'excluded' end,
          'evidence', jsonb_build_object('occurrences',
            jsonb_agg(distinct jsonb_build_object('location', u ->> 'manifest')))))
        from one, jsonb_array_elements(dependencies) u group by d, g $$;

create function json_cyclonedx(profile jsonb, repo text, commit_sha text, scanned_at timestamptz) returns jsonb language sql stable
  as $$ with root as (select 'pkg:github/' || lower(repo) || case when commit_sha = '' then '' else '@' || commit_sha end as ref),
        packages as (select d ->> 'purl' as purl, jsonb_agg(d order by n) as all_of,
            bool_or(not coalesce((d ->> 'indirect')::boolean, false)) as is_direct
          from jsonb_array_elements(profile -> 'dependencies') with ordinality as t (d, n)
          where d ? 'purl' and not d ? 'offered' and not d ? 'local' group by d ->> 'purl')
        select jsonb_strip_nulls(jsonb_build_object(
          '$schema', 'http://cyclonedx.org/schema/bom-1.6.schema.json', 'bomFormat', 'CycloneDX', 'specVersion', '1.6',
          -- A UUID of version 8 that is the same for the same scan, so that the document has an ETag.
          'serialNumber', 'urn:uuid:' || overlay(overlay(md5(repo || commit_sha || json_time(scanned_at) || profile::text)
            placing '8' from 13 for 1) placing '8' from 17 for 1)::uuid,
          'version', 1,
          'metadata', jsonb_build_object('timestamp', json_time(scanned_at),
            'tools', jsonb_build_object('components', jsonb_build_array(jsonb_build_object('type', 'application',
              'name', coalesce(profile -> 'scanner' ->> 'name', 'repobus-scanner'), 'version', profile -> 'scanner' ->> 'version'))),
            'component', jsonb_build_object('type', 'application', 'bom-ref', ref, 'name', repo, 'version', nullif(commit_sha, ''),
              'purl', ref, 'licenses', case when profile -> 'license' ? 'spdx'
                then jsonb_build_array(jsonb_build_object('expression', profile -> 'license' ->> 'spdx')) end)),
          'components', coalesce((select jsonb_agg(cyclonedx_component(purl, all_of) order by purl collate "C") from packages), '[]'),
          -- Who wants what of the indirect ones is not known here; they are components without an edge.
          'dependencies', jsonb_build_array(jsonb_build_object('ref', ref, 'dependsOn',
            coalesce((select jsonb_agg(purl order by purl collate "C") from packages where is_direct), '[]'))),
          'compositions', jsonb_build_array(jsonb_build_object('assemblies', jsonb_build_array(ref), 'aggregate',
            case when profile @> '{"complete": true, "dependencies_truncated": false, "manifests_left_out": 0}'
            then 'unknown' else 'incomplete' end))))
        from root $$;
