{{/*
What values must be given, and which do not go together. Everything that is wrong is told at once. Misspelt names and wrong
types are the schema's.
*/}}
{{- define "modferry.validate" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- if not (or $v.shim.enabled $v.mirror.enabled $v.sync.enabled) -}}
{{- $wrong = append $wrong "nothing is enabled: set shim.enabled, mirror.enabled or sync.enabled" -}}
{{- end -}}
{{- if and (empty $v.image.repository) (or $v.shim.enabled $v.sync.enabled (empty $v.mirror.image.repository)) -}}
{{- $wrong = append $wrong "image.repository is not set: build the image from the Dockerfile, push it to your registry, and name it here" -}}
{{- end -}}
{{- if and (empty $v.store) (or $v.shim.enabled $v.mirror.enabled) -}}
{{- $wrong = append $wrong "store is not set: it names where the module versions are, as in store=harbor.corp.example/golang" -}}
{{- end -}}
{{- range $name, $from := dict "registry.ca" $v.registry.ca "trust.keysFrom" $v.trust.keysFrom "trust.policy" $v.trust.policy "shim.tls.clientCA" $v.shim.tls.clientCA -}}
{{- if and $from.configMap $from.secret -}}
{{- $wrong = append $wrong (printf "%s has both configMap and secret: one of them" $name) -}}
{{- end -}}
{{- end -}}
{{- $trusts := 0 -}}
{{- range list $v.trust.publicKeys (or $v.trust.keysFrom.configMap $v.trust.keysFrom.secret) (or $v.trust.policy.configMap $v.trust.policy.secret) -}}
{{- if . -}}{{- $trusts = add1 $trusts -}}{{- end -}}
{{- end -}}
{{- if and (eq (int $trusts) 0) (or $v.shim.enabled $v.sync.enabled) -}}
{{- $wrong = append $wrong "nobody is trusted: set trust.publicKeys (--set-file 'trust.publicKeys.cosign\\.pub=cosign.pub'), trust.keysFrom or trust.policy" -}}
{{- else if gt (int $trusts) 1 -}}
{{- $wrong = append $wrong "trust: one of publicKeys, keysFrom and policy: a policy names its keys itself" -}}
{{- end -}}
{{- if $v.shim.enabled -}}
{{- $wrong = concat $wrong (include "modferry.validateShim" . | fromJsonArray) -}}
{{- end -}}
{{- if $v.mirror.enabled -}}
{{- if empty $v.mirror.sources -}}
{{- $wrong = append $wrong "mirror.sources is empty: it names what is mirrored, as in [modferry.yaml] with mirror.files" -}}
{{- end -}}
{{- if empty $v.mirror.signingKey.secretName -}}
{{- $wrong = append $wrong "mirror.signingKey.secretName is not set: it names the Secret with cosign.key and its password" -}}
{{- end -}}
{{- if and $v.mirror.files $v.mirror.filesFrom.configMap -}}
{{- $wrong = append $wrong "mirror has both files and filesFrom: one of them" -}}
{{- end -}}
{{- end -}}
{{- if and $v.sync.enabled (or (empty $v.sync.source) (empty $v.sync.destination)) -}}
{{- $wrong = append $wrong "sync.source and sync.destination name two stores" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nmodferry: these values do not work:\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}

{{- define "modferry.validateShim" -}}
{{- $wrong := list -}}
{{- $v := .Values -}}
{{- $s := $v.shim -}}
{{- $tls := include "modferry.tlsSecret" . -}}
{{- if and (empty $tls) (not $s.plainHTTP) -}}
{{- $wrong = append $wrong "the shim would listen without TLS: set shim.tls.secretName (or shim.tls.certManager), or shim.plainHTTP=true if something in front of it adds it" -}}
{{- end -}}
{{- if and $tls $s.plainHTTP -}}
{{- $wrong = append $wrong "shim.plainHTTP and shim.tls contradict each other" -}}
{{- end -}}
{{- if and $s.tls.certManager.enabled (empty $s.tls.certManager.issuerRef) -}}
{{- $wrong = append $wrong "shim.tls.certManager.issuerRef is not set: it names the issuer, as in {kind: ClusterIssuer, name: corp}" -}}
{{- end -}}
{{- if or $s.tls.clientCA.configMap $s.tls.clientCA.secret -}}
{{- if empty $tls -}}
{{- $wrong = append $wrong "shim.tls.clientCA needs shim.tls.secretName" -}}
{{- end -}}
{{- if empty $s.access.secretName -}}
{{- $wrong = append $wrong "shim.tls.clientCA needs shim.access: the kubelet shows no certificate to the probes, and without an access file there is no other credential" -}}
{{- end -}}
{{- end -}}
{{- with $s.cache -}}
{{- if and (eq .type "claim") (empty .claimName) -}}
{{- $wrong = append $wrong "shim.cache.type is claim: set shim.cache.claimName" -}}
{{- end -}}
{{- if and .claimName (ne .type "claim") -}}
{{- $wrong = append $wrong (printf "shim.cache.claimName is of no use with type %s: set type=claim" .type) -}}
{{- end -}}
{{- if and .storageClassName (ne .type "ephemeral") -}}
{{- $wrong = append $wrong (printf "shim.cache.storageClassName is of no use with type %s: set type=ephemeral" .type) -}}
{{- end -}}
{{- if lt (include "modferry.mebibytes" .size | int64) 1024 -}}
{{- $wrong = append $wrong "shim.cache.size is less than 1Gi: one zip may have 500 MiB" -}}
{{- end -}}
{{- if and (eq .type "claim") (eq .accessMode "ReadWriteOnce") (or $s.autoscaling.enabled (gt (int $s.replicas) 1)) -}}
{{- $wrong = append $wrong "several replicas cannot share a claim that is ReadWriteOnce: use emptyDir, ephemeral or a ReadWriteMany claim, or one replica" -}}
{{- end -}}
{{- end -}}
{{- if ge (int $s.shutdown.delaySeconds) (int $s.shutdown.timeoutSeconds) -}}
{{- $wrong = append $wrong "shim.shutdown.delaySeconds is a part of timeoutSeconds: it must be less" -}}
{{- end -}}
{{- if and $s.autoscaling.enabled (gt (int $s.autoscaling.minReplicas) (int $s.autoscaling.maxReplicas)) -}}
{{- $wrong = append $wrong "shim.autoscaling.minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- if and $s.autoscaling.enabled (empty (dig "requests" "cpu" "" $s.resources)) -}}
{{- $wrong = append $wrong "shim.autoscaling goes by a part of shim.resources.requests.cpu, which is not set" -}}
{{- end -}}
{{- if and $s.ingress.enabled (empty $s.ingress.hosts) -}}
{{- $wrong = append $wrong "shim.ingress.hosts is empty" -}}
{{- end -}}
{{- if and $s.httpRoute.enabled (empty $s.httpRoute.parentRefs) -}}
{{- $wrong = append $wrong "shim.httpRoute.parentRefs is empty: it names the gateway" -}}
{{- end -}}
{{- range concat (ternary $s.ingress.hosts list $s.ingress.enabled) (ternary $s.httpRoute.hostnames list $s.httpRoute.enabled) -}}
{{- if and $s.allowHosts (not (has . $s.allowHosts)) -}}
{{- $wrong = append $wrong (printf "%s is routed to the shim, and not among shim.allowHosts: it would refuse" .) -}}
{{- end -}}
{{- end -}}
{{- with $v.monitoring.serviceMonitor -}}
{{- if and .enabled $s.access.secretName (empty .authorization) (empty .basicAuth) (empty .tlsConfig) -}}
{{- $wrong = append $wrong "shim.access is set, and metrics are behind it: set monitoring.serviceMonitor.authorization or basicAuth" -}}
{{- end -}}
{{- if and .authorization .basicAuth -}}
{{- $wrong = append $wrong "monitoring.serviceMonitor has both authorization and basicAuth: one of them" -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end -}}
